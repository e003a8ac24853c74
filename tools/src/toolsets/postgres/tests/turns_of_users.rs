//! Nobody waits for a connection that another user holds for long.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::world::Ground;
use crate::contract::{Access, Lease};
use crate::toolsets::postgres::connect::{Mode, Session};

fn lease(ground: &Ground, user: &str) -> Lease {
    ground.lend(Access::Read).in_turn_of(user)
}

#[tokio::test]
async fn one_users_long_calls_leave_a_connection_for_another() {
    let ground = Ground::superuser("").with("connections = 4".parse().unwrap());
    let (anna, ben) = (lease(&ground, "anna"), lease(&ground, "ben"));
    // As many as she may have at once, all of them at work for as long as the test likes.
    let mut hers = Vec::new();
    for _ in 0..3 {
        hers.push(Session::open(&anna).await.map_err(|error| error.to_string()).unwrap());
    }
    let mut more = pin!(Session::open(&anna));
    let waits = more.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(waits, Poll::Pending), "the last one is for somebody else");
    let his = Session::open(&ben).await.map_err(|error| error.to_string()).unwrap();
    drop(his);
    hers.pop();
    more.await.map_err(|error| error.to_string()).unwrap();
}

#[tokio::test]
async fn a_read_fills_no_disk_where_the_role_may_say_so_and_loosens_no_bound() {
    let set = async |ground: &Ground| {
        let session = &mut Session::open(&ground.lend(Access::Read)).await.map_err(|error| error.to_string()).unwrap();
        let tx = session.begin(Mode::ReadOnly).await.unwrap();
        let set: String = tx.value("SELECT pg_catalog.current_setting('temp_file_limit')", &[]).await.unwrap();
        tx.rollback().await.unwrap();
        set
    };
    let ground = Ground::superuser("");
    assert_eq!(set(&ground).await, "1GB");
    let ground = Ground::superuser("");
    ground.sql(&format!("ALTER DATABASE {} SET temp_file_limit = '20MB'", ground.database));
    assert_eq!(set(&ground).await, "20MB", "a tighter one stays");
    let ground = Ground::superuser("");
    ground.sql(&format!("ALTER DATABASE {} SET temp_file_limit = '20GB'", ground.database));
    assert_eq!(set(&ground).await, "1GB");
    let ground = Ground::roles("SELECT 1");
    assert_eq!(set(&ground).await, "-1", "the role may not, and a read goes on without");
}

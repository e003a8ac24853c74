//! Whole sessions with rmcp's own client, in both eras.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    Implementation, ProtocolVersion,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RequestContext, RoleClient, RunningService};
use rmcp::{ClientHandler, ErrorData};
use serde_json::json;

use super::*;

/// A person who types the name, or declines.
struct Person {
    says_yes: bool,
    asked: AtomicUsize,
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().build();
        ClientConfig::new(capabilities, Implementation::new("person", "1"))
    }

    async fn create_elicitation(
        &self,
        _request: ElicitRequestParams,
        _ctx: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(if self.says_yes {
            ElicitResult::new(ElicitationAction::Accept).with_content(json!({"name": "orders"}))
        } else {
            ElicitResult::new(ElicitationAction::Decline)
        })
    }
}

fn eras() -> [ClientLifecycleMode; 2] {
    let newest = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    [ClientLifecycleMode::Initialize, newest]
}

async fn session(fake: &Arc<Fake>, era: ClientLifecycleMode, says_yes: bool) -> RunningService<RoleClient, Person> {
    let (ours, theirs) = duplex(1 << 20);
    let (input, output) = split(theirs);
    tokio::spawn(serve_streams(wire(fake), principal("alice"), input, output, CancellationToken::new()));
    let person = Person { says_yes, asked: AtomicUsize::new(0) };
    timeout(TIMEOUT, person.serve_with_lifecycle(ours, era)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_person_is_asked_and_the_call_goes_on_in_both_eras() {
    for era in eras() {
        for (says_yes, expected) in [(true, None), (false, Some("confirmation_declined"))] {
            let fake = Arc::new(Fake::new());
            let client = session(&fake, era.clone(), says_yes).await;
            assert_eq!(client.list_all_tools().await.unwrap().len(), 7);
            let result = timeout(TIMEOUT, client.call_tool(CallToolRequestParams::new("ask"))).await.unwrap().unwrap();
            let refusal = result.structured_content.unwrap();
            assert_eq!(refusal["reason_code"].as_str(), expected);
            assert_eq!(client.service().asked.load(Ordering::SeqCst), 1);
            client.cancel().await.unwrap();
        }
    }
}

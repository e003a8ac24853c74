//! Functions as people write them.

/// Bodies in PL/pgSQL, each with how many fragments it has.
pub(super) const ORDINARY: &[(usize, &str)] = &[
    (1, "BEGIN NEW.updated_at = now(); RETURN NEW; END;"),
    (1, "\nBEGIN\n    NEW.updated_at := CURRENT_TIMESTAMP;\n    RETURN NEW;\nEND;\n"),
    (
        2,
        "begin if row(new.*) is distinct from row(old.*) then new.modified = now(); return new; end if; return old; end",
    ),
    (2, "BEGIN IF NEW.a IS DISTINCT FROM OLD.a THEN NEW.touched_at = clock_timestamp(); END IF; RETURN NEW; END"),
    (3, "BEGIN IF TG_OP = 'INSERT' THEN NEW.created_at := now(); END IF; NEW.updated_at := now(); RETURN NEW; END"),
    (1, "BEGIN NEW.version = OLD.version + 1; RETURN NEW; END"),
    (1, "BEGIN NEW.email := lower(trim(NEW.email)); RETURN NEW; END"),
    (
        1,
        "BEGIN NEW.search := to_tsvector('english', coalesce(NEW.title, '') || ' ' || coalesce(NEW.body, '')); RETURN NEW; END",
    ),
    (
        1,
        "begin new.tsv := setweight(to_tsvector('pg_catalog.english', coalesce(new.title,'')), 'A') || setweight(to_tsvector('pg_catalog.english', coalesce(new.body,'')), 'D'); return new; end",
    ),
    (1, "BEGIN NEW.slug := lower(regexp_replace(NEW.title, '[^a-zA-Z0-9]+', '-', 'g')); RETURN NEW; END"),
    (
        3,
        "DECLARE base text := regexp_replace(lower(NEW.title), '[^\\w]+', '-', 'g'); BEGIN IF NEW.slug IS NULL THEN NEW.slug := trim('-' from base); END IF; RETURN NEW; END",
    ),
    (
        6,
        "DECLARE n int := 0; s text; BEGIN s := NEW.slug; WHILE EXISTS (SELECT 1 FROM posts WHERE slug = s) LOOP n := n + 1; s := NEW.slug || '-' || n; END LOOP; NEW.slug := s; RETURN NEW; END",
    ),
    (
        2,
        "BEGIN INSERT INTO audit (tbl, op, old, new, at, who) VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(OLD), to_jsonb(NEW), now(), current_user); RETURN NULL; END",
    ),
    (
        7,
        "BEGIN IF (TG_OP = 'DELETE') THEN INSERT INTO emp_audit SELECT 'D', now(), current_user, OLD.*; ELSIF (TG_OP = 'UPDATE') THEN INSERT INTO emp_audit SELECT 'U', now(), current_user, NEW.*; ELSIF (TG_OP = 'INSERT') THEN INSERT INTO emp_audit SELECT 'I', now(), current_user, NEW.*; END IF; RETURN NULL; END;",
    ),
    (
        2,
        "BEGIN UPDATE posts SET comments = comments + 1 WHERE id = NEW.post_id; IF NOT FOUND THEN RAISE EXCEPTION 'no such post'; END IF; RETURN NEW; END",
    ),
    (
        5,
        "BEGIN IF TG_OP = 'INSERT' THEN UPDATE t SET n = n + 1 WHERE id = NEW.t; RETURN NEW; ELSIF TG_OP = 'DELETE' THEN UPDATE t SET n = n - 1 WHERE id = OLD.t; RETURN OLD; END IF; RETURN NULL; END",
    ),
    (2, "BEGIN UPDATE users SET deleted_at = now() WHERE id = OLD.id; RETURN NULL; END"),
    (1, "BEGIN DELETE FROM children WHERE parent_id = OLD.id; RETURN OLD; END"),
    (
        2,
        "BEGIN DELETE FROM a WHERE x = OLD.id; DELETE FROM b USING a WHERE b.a = a.id AND a.x = OLD.id; RETURN OLD; END",
    ),
    (
        2,
        "BEGIN IF NEW.salary < 0 THEN RAISE EXCEPTION '% cannot have a negative salary', NEW.empname; END IF; RETURN NEW; END",
    ),
    (
        3,
        "BEGIN IF NEW.ends <= NEW.starts THEN RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = 'ends before it starts'; END IF; RETURN NEW; END",
    ),
    (
        4,
        "BEGIN IF OLD.locked THEN RAISE EXCEPTION 'locked: %', OLD.id USING HINT = 'Unlock it first.'; END IF; RETURN COALESCE(NEW, OLD); END",
    ),
    (1, "BEGIN RAISE EXCEPTION 'append only' USING ERRCODE = 'restrict_violation'; END"),
    (2, "BEGIN RAISE NOTICE 'trigger % on %', TG_NAME, TG_RELID::regclass; RETURN NEW; END"),
    (
        3,
        "DECLARE total numeric; BEGIN SELECT sum(amount) INTO total FROM lines WHERE bill = NEW.bill; UPDATE bills SET amount = total WHERE id = NEW.bill; RETURN NULL; END",
    ),
    (
        2,
        "DECLARE r record; BEGIN FOR r IN SELECT id FROM items WHERE cart = OLD.id LOOP DELETE FROM reservations WHERE item = r.id; END LOOP; RETURN OLD; END",
    ),
    (5, "DECLARE i int; s int := 0; BEGIN FOR i IN 1..10 LOOP s := s + i; END LOOP; RETURN s; END"),
    (
        2,
        "DECLARE x text; BEGIN FOREACH x IN ARRAY NEW.tags LOOP INSERT INTO tags (name) VALUES (x) ON CONFLICT DO NOTHING; END LOOP; RETURN NEW; END",
    ),
    (
        5,
        "BEGIN CASE NEW.state WHEN 'open', 'new' THEN NEW.closed_at := NULL; WHEN 'closed' THEN NEW.closed_at := now(); ELSE NULL; END CASE; RETURN NEW; END",
    ),
    (4, "BEGIN CASE WHEN NEW.a > 0 THEN NEW.b := 1; WHEN NEW.a < 0 THEN NEW.b := -1; END CASE; RETURN NEW; END"),
    (
        3,
        "DECLARE t text; BEGIN SELECT name INTO STRICT t FROM x WHERE id = $1; RETURN t; EXCEPTION WHEN NO_DATA_FOUND THEN RETURN 'none'; END",
    ),
    (
        2,
        "BEGIN INSERT INTO t VALUES (NEW.id); RETURN NEW; EXCEPTION WHEN unique_violation OR foreign_key_violation THEN RETURN NULL; END",
    ),
    (
        4,
        "DECLARE m text; BEGIN PERFORM 1 FROM t WHERE id = NEW.id FOR UPDATE; RETURN NEW; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS m = MESSAGE_TEXT; RAISE WARNING 'failed: % %', m, SQLERRM; RETURN NULL; END",
    ),
    (2, "DECLARE n int; BEGIN UPDATE t SET a = 1; GET DIAGNOSTICS n = ROW_COUNT; RETURN n; END"),
    (1, "BEGIN RETURN QUERY SELECT id, name FROM users WHERE active ORDER BY name LIMIT $1; END"),
    (
        2,
        "BEGIN FOR id, name IN SELECT u.id, u.name FROM users u LOOP name := upper(name); RETURN NEXT; END LOOP; RETURN; END",
    ),
    (
        2,
        "BEGIN IF pg_trigger_depth() > 1 THEN RETURN NEW; END IF; UPDATE t SET a = NEW.a WHERE parent = NEW.id; RETURN NEW; END",
    ),
    (1, "BEGIN NEW.id := coalesce(NEW.id, gen_random_uuid()); RETURN NEW; END"),
    (
        1,
        "BEGIN INSERT INTO stock (item, n) VALUES (NEW.item, NEW.n) ON CONFLICT (item) DO UPDATE SET n = stock.n + EXCLUDED.n; RETURN NEW; END",
    ),
    (
        2,
        "BEGIN WITH moved AS (DELETE FROM inbox WHERE id = NEW.id RETURNING *) INSERT INTO archive SELECT * FROM moved; RETURN NULL; END",
    ),
    (
        4,
        "DECLARE c CURSOR (k int) FOR SELECT id FROM t WHERE a = k; v int; BEGIN OPEN c(NEW.id); LOOP FETCH c INTO v; EXIT WHEN NOT FOUND; UPDATE t SET b = 1 WHERE id = v; END LOOP; CLOSE c; RETURN NEW; END",
    ),
    (
        2,
        "DECLARE c refcursor; r t%ROWTYPE; BEGIN OPEN c FOR SELECT * FROM t; FETCH NEXT FROM c INTO r; MOVE NEXT FROM c; CLOSE c; RETURN r.a + 1; END",
    ),
    (
        6,
        "<<blk>>\nDECLARE q int := 30;\nBEGIN\n  DECLARE q int := 80;\n  BEGIN\n    RAISE NOTICE '% %', q, blk.q;\n  END;\n  <<l>> FOR i IN 1..2 LOOP CONTINUE l; END LOOP l;\n  RETURN;\nEND blk;",
    ),
    (
        2,
        "DECLARE p jsonb; BEGIN p := jsonb_build_object('id', NEW.id, 'at', now()); NEW.doc := NEW.doc || p; RETURN NEW; END",
    ),
    (4, "DECLARE a int[] := '{}'; BEGIN a[1] := 5; RETURN a; END"),
    (1, "BEGIN NEW.full_name := concat_ws(' ', NEW.first_name, NEW.last_name); RETURN NEW; END"),
    (
        1,
        "BEGIN\n  -- Keep what was there; the app sends '' for \"unchanged\".\n  NEW.note := nullif(NEW.note, ''); /* or NULL; */\n  RETURN NEW;\nEND",
    ),
    (
        2,
        "DECLARE ok boolean; BEGIN ok := NEW.email ~* '^[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}$'; IF NOT ok THEN RAISE check_violation; END IF; RETURN NEW; END",
    ),
    (3, "BEGIN RETURN (SELECT count(*) FROM t WHERE a = $1) + (SELECT 1); ASSERT a > 0, 'positive'; END"),
    (5, "BEGIN FOR i IN REVERSE array_length(a, 1)..1 BY 2 LOOP IF a[i] = b THEN RETURN i; END IF; END LOOP; END"),
    (
        2,
        "DECLARE old_balance accounts.balance%TYPE; BEGIN SELECT balance INTO old_balance FROM accounts WHERE id = NEW.account FOR UPDATE; NEW.balance_after := old_balance + NEW.amount; RETURN NEW; END",
    ),
    (
        1,
        "BEGIN SELECT INTO NEW.position coalesce(max(position), 0) + 1 FROM items WHERE list = NEW.list; RETURN NEW; END",
    ),
    (1, "BEGIN NEW.geom := NEW.a::point; RETURN NEW; END"),
    (3, "BEGIN IF NEW IS NOT DISTINCT FROM OLD THEN RETURN NULL; END IF; NEW.rev := NEW.rev + 1; RETURN NEW; END"),
    (1, "BEGIN RETURN a + b; END"),
    (3, "BEGIN IF n <= 1 THEN RETURN 1; END IF; RETURN n * abs(n - 1); END"),
    (
        1,
        "BEGIN MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.a WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.a); END",
    ),
    (
        3,
        "BEGIN IF TG_WHEN = 'AFTER' AND TG_NARGS > 0 THEN INSERT INTO log VALUES (TG_ARGV[0], TG_TABLE_SCHEMA); END IF; RETURN NULL; END",
    ),
    (
        3,
        "BEGIN INSERT INTO history SELECT o.*, now() FROM old_rows o; INSERT INTO history SELECT n.*, now() FROM new_rows n; RETURN NULL; END",
    ),
    (
        2,
        "DECLARE d date := date_trunc('month', NEW.at)::date; BEGIN NEW.month := extract(year from d) * 100 + extract(month from d); RETURN NEW; END",
    ),
    (0, "BEGIN NULL; RETURN NEW; END"),
    (1, "#variable_conflict use_column\nBEGIN UPDATE users SET last_modified = now() WHERE users.id = id; END"),
];

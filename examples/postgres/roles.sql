-- Makes the two roles the gateway uses for one database, with no more than they need. Run it as the database's owner or a
-- superuser, in that database, and again whenever you like: it changes nothing that is as it should be.
--
--     psql -v name=shop -d shop -f roles.sql
\set ON_ERROR_STOP on
\set writer :name '_writer'
\set reader :name '_reader'

-- Nothing that reaches beyond this database. Give both a password with psql's \password, or whatever your server asks for.
SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY[:'writer', :'reader']) AS name
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE :"writer" NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 20;
ALTER ROLE :"reader" NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 20;

-- The roles of one environment cannot even connect to another's database.
SELECT format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), name)
    FROM unnest(ARRAY[:'writer', :'reader']) AS name \gexec

-- The writer owns the tables, because PostgreSQL lets nobody but an owner alter a table, drop it, or move it into the
-- quarantine. Where another role must stay their owner, grant that role to the writer instead: membership is as good.
SELECT format('ALTER TABLE %I.%I OWNER TO %I', schemaname, tablename, :'writer') FROM pg_tables
    WHERE schemaname = 'public' AND tableowner <> :'writer' \gexec
GRANT USAGE, CREATE ON SCHEMA public TO :"writer";

-- The quarantine: each dropped table moves into a closed schema of its own, which the writer makes then.
SELECT format('GRANT CREATE ON DATABASE %I TO %I', current_database(), :'writer') \gexec

-- The reader reads what is there and what the writer will make, and sees what other sessions do. It owns nothing.
GRANT USAGE ON SCHEMA public TO :"reader";
GRANT SELECT ON ALL TABLES IN SCHEMA public TO :"reader";
ALTER DEFAULT PRIVILEGES FOR ROLE :"writer" GRANT SELECT ON TABLES TO :"reader";
GRANT pg_read_all_stats TO :"reader";
ALTER ROLE :"reader" SET default_transaction_read_only = on;

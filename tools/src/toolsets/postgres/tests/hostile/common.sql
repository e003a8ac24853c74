-- What every scene has: functions that leave a file in the server's folder, which no transaction takes back.
CREATE FUNCTION hit(how text) RETURNS bool LANGUAGE plpgsql VOLATILE AS $$ BEGIN EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'touch hit_' || how); RETURN true; END $$;
CREATE FUNCTION hit_stable(how text) RETURNS bool LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN public.hit(how); END $$;
CREATE FUNCTION hit_immutable(how text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN public.hit(how); END $$;
CREATE TABLE t (id int PRIMARY KEY, name varchar, doc jsonb);
INSERT INTO t VALUES (1, 'one', '{"a": 1}'), (2, 'two', NULL);
GRANT SELECT ON t TO PUBLIC;

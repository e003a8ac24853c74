-- The names that the inputs kept for `sql` speak of.
CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c, d, j, name TEXT);
CREATE TABLE u (id INTEGER PRIMARY KEY, a, b);
CREATE TABLE x (a, b);
CREATE TABLE "x y" (id, a);
CREATE TABLE z (id, a);
CREATE TABLE archive (id INTEGER PRIMARY KEY, a, b, c, d, j, name TEXT);
CREATE TABLE bookings (id INTEGER PRIMARY KEY, car INTEGER, customer TEXT, day TEXT, price REAL);
CREATE VIEW v AS SELECT id, a FROM t WHERE b IS NOT NULL;
CREATE TRIGGER vi INSTEAD OF INSERT ON v BEGIN INSERT INTO t (id, a) VALUES (new.id, new.a); END;
CREATE TRIGGER tu AFTER UPDATE ON t BEGIN INSERT INTO archive (id, a) VALUES (old.id, old.a); END;
CREATE VIRTUAL TABLE f USING fts5(body);

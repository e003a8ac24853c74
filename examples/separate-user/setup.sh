#!/bin/sh
# Makes the database shop with a role that reads and one that changes, on the server that PGHOST, PGPORT and PGUSER name, to
# try the configuration with. For databases of your own see ../postgres/roles.sql.
set -eu
createdb shop
psql -X -q -v ON_ERROR_STOP=1 -d shop <<'SQL'
CREATE ROLE shop_writer LOGIN;
CREATE ROLE shop_reader LOGIN;
GRANT USAGE, CREATE ON SCHEMA public TO shop_writer;
GRANT USAGE ON SCHEMA public TO shop_reader;
CREATE TABLE orders (id int PRIMARY KEY, total numeric(8, 2) NOT NULL);
INSERT INTO orders VALUES (1, 12.50), (2, 99.00), (3, 60.00);
ALTER TABLE orders OWNER TO shop_writer;
GRANT SELECT ON orders TO shop_reader;
SQL

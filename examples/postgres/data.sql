CREATE TABLE customers (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE orders (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer int8 NOT NULL REFERENCES customers ON DELETE CASCADE,
    total numeric(10, 2) NOT NULL CHECK (total >= 0)
);
COMMENT ON TABLE orders IS 'one row an order';
INSERT INTO customers (email) VALUES ('ada@example.org'), ('grace@example.org'), ('edsger@example.org');
INSERT INTO orders (customer, total) VALUES (1, 20.50), (2, 99.00), (2, 7.25), (3, 60.00);

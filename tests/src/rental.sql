CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE);
CREATE TABLE vehicles (id INTEGER PRIMARY KEY, plate TEXT NOT NULL UNIQUE, class TEXT NOT NULL, odometer REAL);
CREATE TABLE bookings (
    id INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customers (id),
    vehicle INTEGER NOT NULL REFERENCES vehicles (id),
    starts TEXT NOT NULL,
    days INTEGER NOT NULL CHECK (days > 0),
    price_cents INTEGER NOT NULL,
    note BLOB
);
CREATE INDEX bookings_by_vehicle ON bookings (vehicle, starts);
CREATE VIEW upcoming AS SELECT id, customer, vehicle, starts FROM bookings WHERE starts >= '2026-05-01';
INSERT INTO customers (id, name, email) VALUES
    (1, 'Ada', 'ada@example.com'), (2, 'Grace', 'grace@example.com'), (3, 'Edsger', NULL), (4, 'Zoë', 'zoe@example.com');
INSERT INTO vehicles (id, plate, class, odometer) VALUES
    (1, 'P-OC 101', 'small', 10250.5), (2, 'P-OC 102', 'small', 88.0), (3, 'P-OC 103', 'van', NULL);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)
INSERT INTO bookings (id, customer, vehicle, starts, days, price_cents, note)
SELECT i, 1 + i % 4, 1 + i % 3, date('2026-04-20', '+' || i || ' days'), 1 + i % 5, 4900 * (1 + i % 5),
       CASE WHEN i % 4 = 0 THEN x'00ff10' END
FROM n;

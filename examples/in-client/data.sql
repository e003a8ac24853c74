CREATE TABLE cars (id INTEGER PRIMARY KEY, model TEXT NOT NULL, daily_rate INTEGER NOT NULL);
INSERT INTO cars (model, daily_rate) VALUES ('Corolla', 39), ('RAV4', 65), ('Transit', 75);
CREATE TABLE bookings (id INTEGER PRIMARY KEY, car INTEGER NOT NULL REFERENCES cars(id), customer TEXT NOT NULL);
INSERT INTO bookings (car, customer) VALUES (1, 'Ada'), (2, 'Grace'), (2, 'Edsger'), (3, 'Barbara');

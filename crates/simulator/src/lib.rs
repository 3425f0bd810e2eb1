//! Seeded runs of the real engine over a simulated log, disk and clock, against a model

//! What happens: each event one log line and its metrics

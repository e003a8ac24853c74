//! One classifier for all SQL dialects.

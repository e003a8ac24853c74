//! What is read out of the server's trees.

//! What the Machines API answers.

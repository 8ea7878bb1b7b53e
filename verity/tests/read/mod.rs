//! Verified reads against the slow model of a reader (`testdata/src/reading.rs`): random images,
//! damage, sources, caches, repairs and threads. `case` makes them, `disk` is the source under
//! them, `model` compares.

mod case;
mod disk;
mod model;

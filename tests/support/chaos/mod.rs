//! Hostile days on a real broker: load with known attacks, processes that are killed, frozen, stopped and started, a broker
//! that goes away, and what must be there afterwards.

pub mod cluster;
pub mod load;
pub mod verdict;

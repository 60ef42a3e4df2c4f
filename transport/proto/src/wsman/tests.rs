//! Envelopes of both roles against each other, recorded ones of real servers, and hostile ones.

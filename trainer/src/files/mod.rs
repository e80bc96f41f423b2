//! Reading and writing files without ever losing what was there.

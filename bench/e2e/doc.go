// Package e2e holds the tests that need the whole path in one process: the SDK, the router over real QUIC, the enclave core, and
// an adversary at every seam between them. It plays the host: it records what the host could see, and changes what the host could
// change. The parts are the real ones; only the process boundary of enclaved is a pipe.
package e2e

//go:build ego || gramine

package daemon

// inside: this program is built to run in an enclave, which is the wall: there is
// nothing to shut in with, and files have to stay readable for quotes.
const inside = true

//go:build ego || gramine

package epc

// hasOutside is false where all memory that a program can ask for is the enclave's.
const hasOutside = false

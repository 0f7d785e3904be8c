//go:build !ego && !gramine

package epc

// hasOutside says that memory can be had that is no part of the enclave's.
const hasOutside = canDiscard

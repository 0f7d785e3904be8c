// Package quote decides whether evidence about an enclave is acceptable: it
// parses a quote and verifies it under an explicit Policy at an explicit time.
// It is pure: no I/O, no clock, no randomness, no state.
//
// Who may lie to it: everybody who can produce bytes. The quote comes from the
// host, through the network; only the Policy, the expected report data and the
// time are the caller's own. Every length is checked before it is used, and what
// is not exactly in form (trailing bytes other than zeros, non-canonical PEM,
// extra certificates) is refused rather than interpreted.
//
// What it promises: Policy.Verify is the only way to a Verdict, and Accepted is
// true only when every check of this package passed: an exact DCAP SGX or TDX
// quote; a chain PCK, intermediate, root whose root is byte for byte one the
// policy names, valid at the given time, on P-256 throughout; the PCK key signed
// the quoting enclave's report; that report names the attestation key; the
// attestation key signed header and body; neither enclave is a debug enclave; the
// measurement (or signer with product and minimum SVN) is one the policy names;
// the whole 64 bytes of report data are the expected ones. A refusal names the
// failed check by a stable code, and a remedy.
//
// What it does not promise: it evaluates no collateral. Certificate revocation
// lists, the platform's TCB level (TCB info) and the QE identity are not
// consulted, so a revoked or outdated platform, and a quoting enclave other than
// Intel's on a genuine platform, are not recognised. Verdict.Unchecked says so in
// every verdict. For hardware evidence that is not enough to rest secrets on.
//
// Simulated evidence has the same format and goes through the same code. It is
// accepted only under a root listed in Policy.SimulatedRoots; simulation roots
// carry a fixed subject (SimulationRootName), and a policy that mixes the two
// kinds of root is refused, so hardware and simulation cannot be confused by
// accident. A root made by other tools without that name is whatever its operator
// says it is.
//
// The layout follows Intel's "SGX ECDSA QuoteLibReference DCAP API", appendix A,
// quote version 3; certificate profile: Intel's "SGX PCK Certificate and CRL
// Profile Specification", revision 1.5.
package quote

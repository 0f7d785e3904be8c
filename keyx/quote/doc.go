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
// What it promises: Verify is the only way to a Verdict that is Accepted, which it
// is only when every check passed. For SGX and TDX (DCAP quotes of versions 3 to 5):
// a chain PCK, intermediate, root whose root is byte for byte one the policy names;
// the PCK key signed the quoting enclave's report, which names the attestation key,
// which signed header and body; the collateral's TCB info and QE identity are
// signed under the same root, current, and about this platform and quoting enclave;
// both revocation lists are there, current, and name none of the certificates; the
// merged status of platform, quoting enclave and TDX module is one the policy
// accepts. For SEV-SNP: the chip's key is certified under AMD's root for exactly
// the versions and chip of the report, which it signed; the versions are at least
// the policy's. For all: no debug, no migration, the enclave is one the policy names,
// and the whole 64 bytes of report data are the expected ones. A refusal names the
// failed check by a stable code, and a remedy; identity, status and advisories are
// told as far as they can be read, also then.
//
// What it does not promise: that collateral is the newest (only its signed dates,
// the policy's maximum ages and its least evaluation number bound that), that a
// platform whose keys leaked is known to its maker (endorsements are against that,
// package keyx), or anything about TDX beyond the registers that a policy names.
// Examine judges without a policy, and VerifyUnbound without report data; what they
// accept is about nobody in particular, and Verdict.Unchecked says so.
//
// Simulated evidence has the same format and goes through the same code. It is
// accepted only under a root listed in Policy.SimulatedRoots; simulation roots
// carry a fixed subject (SimulationRootName), and a policy that mixes the two
// kinds of root is refused, so hardware and simulation cannot be confused by
// accident. A root made by other tools without that name is whatever its operator
// says it is.
//
// Sources: Intel's "SGX ECDSA QuoteLibReference DCAP API", appendix A (version 3),
// "TDX DCAP quoting library API" (versions 4 and 5), "SGX PCK Certificate and CRL
// Profile Specification" revision 1.5, "Provisioning Certification Service" API
// version 4; AMD's documents 56860 (firmware ABI) and 57230 (VCEK).
package quote

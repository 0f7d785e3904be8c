// Package platform is what the trusted core needs from the hardware (or the
// simulation) it runs on: who it is, and evidence of that for a stranger.
//
// A Platform speaks for the enclave to clients that trust neither the host nor
// this code: whatever it returns is verified by keyx/quote on the other side, so
// a lying Platform can refuse service but not gain trust. The core itself must
// not take Info as proof of anything; it is for logs and for the Ready message.
package platform

// Kinds of platform, as in Info.Kind.
const (
	// KindSim is the simulated platform: DCAP-format quotes, no hardware.
	KindSim = "sim"
)

// Info describes the enclave as its platform sees it.
type Info struct {
	// Kind names the implementation (KindSim).
	Kind string
	// Simulated is true when no hardware protects the enclave.
	Simulated bool
	// Debug is true when quotes carry the debug flag; no client accepts them.
	Debug bool
	// Measurement is the identity in every quote (32 bytes of SGX, 48 of TDX and
	// SEV-SNP), Signer its signer's, nil where there is none.
	Measurement, Signer []byte
	// Product and SVN are the signer's numbers for product and version.
	Product, SVN uint16
}

// Platform makes evidence for the enclave it runs in. Implementations are safe
// for concurrent use.
type Platform interface {
	// Info describes this enclave. It never changes during a process's life.
	Info() Info
	// Quote returns a quote over all 64 bytes of report data, and the
	// collateral to staple to it (nil where the platform has none). The
	// caller owns both.
	Quote(reportData [64]byte) (quote, collateral []byte, err error)
}

// Package sim is the simulated platform.
package sim

import (
	"crypto/x509"
	"errors"
	"io"
	"time"

	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/keyx/quote"
)

// Files are the files of a simulated platform by base name; all hold keys or
// certificates and belong into a directory of mode 0700, each with mode 0600.
type Files map[string][]byte

// Config is the identity of the enclave a Platform quotes for.
type Config struct {
	// Measurement is MRENCLAVE; the caller computes it (SHA-256 of the binary).
	Measurement [32]byte
	// Signer is MRSIGNER; zero means DefaultSigner.
	Signer [32]byte
	// Product and SVN are ISVPRODID and ISVSVN.
	Product, SVN uint16
	// Debug sets the debug flag in every quote; every verifier refuses those.
	Debug bool
}

// Platform is a simulated platform.
type Platform struct{}

var errNotReady = errors.New("sim: not ready")

// Create makes a new simulated platform.
func Create(rand io.Reader, now time.Time) (Files, error) { return nil, errNotReady }

// FileNames lists the names a complete Files has.
func FileNames() []string { return nil }

// Load reads a simulated platform.
func Load(files Files, cfg Config) (*Platform, error) { return nil, errNotReady }

// Root is the simulation root certificate.
func (p *Platform) Root() *x509.Certificate { return nil }

// Policy accepts exactly this platform's root and measurement.
func (p *Platform) Policy() quote.Policy { return quote.Policy{} }

// Info implements platform.Platform.
func (p *Platform) Info() platform.Info { return platform.Info{} }

// Quote implements platform.Platform.
func (p *Platform) Quote(reportData [64]byte) (raw, collateral []byte, err error) {
	return nil, nil, errNotReady
}

var _ platform.Platform = (*Platform)(nil)

// Package platform is what the trusted core needs from the hardware (or the
// simulation) it runs on: who it is, evidence of that for a stranger, and a key
// that only it has.
//
// A Platform speaks for the enclave to clients that trust neither the host nor
// this code: whatever it returns is verified by keyx/quote on the other side, so
// a lying Platform can refuse service but not gain trust. The core itself must
// not take Info as proof of anything; it is for logs and for the Ready message.
// Detect believes nothing but a report that a platform has just made.
package platform

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// Kinds of platform, as in Info.Kind.
const (
	// KindSim is the simulated platform: DCAP-format quotes, no hardware.
	KindSim = "sim"
	// KindEGo is SGX under the EGo runtime.
	KindEGo = "ego"
	// KindGramine is SGX under Gramine.
	KindGramine = "gramine"
	// KindTDX and KindSNP are confidential virtual machines.
	KindTDX = "tdx"
	KindSNP = "sev-snp"
)

// Info describes the enclave as its platform sees it.
type Info struct {
	// Kind names the implementation (KindSim, ...).
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
	// collateral to staple to it; nil where the host has to (hardware). The
	// caller owns both.
	Quote(reportData [64]byte) (quote, collateral []byte, err error)
}

// Sealer is a platform with a key for what only this enclave (or its signer's next
// version) may read again.
type Sealer interface {
	// NewSealKey returns a key of SealKeyBytes, and the info to keep, in the open,
	// beside what is sealed with it. The key follows from the machine, the enclave's
	// signer and product, and info, which is another each time.
	NewSealKey() (key, info []byte, err error)
	// SealKey returns the key of an info that NewSealKey gave. ErrNoSealKey, of
	// both: this platform has none.
	SealKey(info []byte) ([]byte, error)
}

const (
	// SealKeyBytes is the size of a seal key, of SGX: AES-128.
	SealKeyBytes = 16
	// SealInfoBytes is the size of an info that makes many keys of a platform's one.
	SealInfoBytes = 32
)

// NewSealInfo draws an info.
func NewSealInfo() []byte {
	info := make([]byte, SealInfoBytes)
	_, _ = rand.Read(info) // never fails
	return info
}

var (
	// ErrNoSealKey: the platform has no seal key.
	ErrNoSealKey = errors.New("this platform has no seal key")
	// ErrZeroKey: the platform gave a key of zeros, as SGX runtimes do outside an
	// enclave, without an error: everybody has that key.
	ErrZeroKey = errors.New("the platform's seal key is zeros: this is no enclave")
	// ErrOtherReport: a report came back that is not about what was asked.
	ErrOtherReport = errors.New("the platform's report is about other data than asked")
)

// CheckSealKey refuses keys of another size and keys of zeros. Every Sealer ends
// with it.
func CheckSealKey(key []byte) ([]byte, error) {
	if len(key) != SealKeyBytes {
		return nil, fmt.Errorf("the platform's seal key has %d bytes, not %d", len(key), SealKeyBytes)
	}
	if bytes.Equal(key, make([]byte, SealKeyBytes)) {
		return nil, ErrZeroKey
	}
	return key, nil
}

// DeriveSealKey makes the seal key for info out of a platform's one key (HKDF-SHA256
// under the platform's label, with info as the salt), after CheckSealKey of that.
func DeriveSealKey(root []byte, label string, info []byte) ([]byte, error) {
	if _, err := CheckSealKey(root); err != nil {
		return nil, err
	}
	if len(info) != SealInfoBytes {
		return nil, fmt.Errorf("seal key: info of %d bytes, not %d", len(info), SealInfoBytes)
	}
	key, err := hkdf.Key(sha256.New, root, info, label, SealKeyBytes)
	if err != nil {
		return nil, err
	}
	return CheckSealKey(key)
}

// Candidate is a platform that may be the one this process runs on.
type Candidate struct {
	// Name is its kind.
	Name string
	// Open makes it; a failure means that it is not this one.
	Open func() (Platform, error)
	// ReportData reads the report data out of a quote of its kind.
	ReportData func(quote []byte) ([64]byte, error)
}

// ErrNone is the error of Detect: no candidate made a report.
var ErrNone = errors.New("no hardware platform makes reports here")

// Detect returns the first candidate that makes a report over fresh report data. No
// variable, file or processor feature counts: the host can set all of these.
func Detect(candidates []Candidate, random io.Reader) (Platform, error) {
	if random == nil {
		random = rand.Reader
	}
	reasons := []error{ErrNone}
	for _, c := range candidates {
		p, err := c.try(random)
		if err == nil {
			return p, nil
		}
		reasons = append(reasons, fmt.Errorf("%s: %w", c.Name, err))
	}
	return nil, errors.Join(reasons...)
}

func (c *Candidate) try(random io.Reader) (Platform, error) {
	p, err := c.Open()
	if err != nil {
		return nil, err
	}
	var nonce [64]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		return nil, err
	}
	quote, _, err := p.Quote(nonce)
	if err != nil {
		return nil, err
	}
	got, err := c.ReportData(quote)
	if err != nil {
		return nil, err
	}
	if got != nonce {
		return nil, ErrOtherReport
	}
	return p, nil
}

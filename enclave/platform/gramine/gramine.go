// Package gramine is SGX under Gramine, which shows the hardware as files below
// /dev/attestation.
//
// Inside an enclave these files are the Gramine library's, outside whatever the
// host has put there: what they say is believed by nobody (package platform), and
// seal keys of zeros are refused. Two files make one quote, for the whole process,
// so that one lock holds both.
package gramine

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/enclave/platform/evidence"
	"github.com/scbr/scbr/keyx/quote"
)

// Directory is where Gramine shows the hardware.
const Directory = "/dev/attestation"

const (
	fileReportData = "user_report_data"
	fileQuote      = "quote"
	// fileSealKey is bound to the enclave's signer, product and SVN.
	fileSealKey = "keys/_sgx_mrsigner"
)

// errNotSGX: the quote is of other hardware.
var errNotSGX = errors.New("not a quote of SGX")

// Platform quotes through Gramine.
type Platform struct {
	dir  string
	info platform.Info
	mu   sync.Mutex // held over both files of a quote
}

// Open makes a quote, to learn who this enclave is. dir is Directory, but in tests.
func Open(dir string) (*Platform, error) {
	p := &Platform{dir: dir}
	raw, err := p.quote([64]byte{})
	if err != nil {
		return nil, err
	}
	if tee, err := evidence.TEE(raw); err != nil || tee != quote.TEESGX {
		return nil, errors.Join(errNotSGX, err)
	}
	p.info, err = evidence.Info(platform.KindGramine, raw)
	return p, err
}

// Info implements platform.Platform.
func (p *Platform) Info() platform.Info { return p.info }

// Quote implements platform.Platform; the host staples collateral.
func (p *Platform) Quote(reportData [64]byte) (raw, collateral []byte, err error) {
	raw, err = p.quote(reportData)
	return raw, nil, err
}

func (p *Platform) quote(reportData [64]byte) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := platform.WriteDevice(filepath.Join(p.dir, fileReportData), reportData[:]); err != nil {
		return nil, fmt.Errorf("gramine: %w", err)
	}
	raw, err := platform.ReadDevice(filepath.Join(p.dir, fileQuote), quote.MaxQuoteBytes)
	if err == nil {
		err = evidence.Check(raw, reportData)
	}
	if err != nil {
		return nil, fmt.Errorf("gramine: %w", err)
	}
	return raw, nil
}

// NewSealKey implements platform.Sealer. Gramine has one key for each signer; info
// makes many of it.
func (p *Platform) NewSealKey() (key, info []byte, err error) {
	info = platform.NewSealInfo()
	key, err = p.SealKey(info)
	return key, info, err
}

// SealKey implements platform.Sealer.
func (p *Platform) SealKey(info []byte) ([]byte, error) {
	root, err := platform.ReadDevice(filepath.Join(p.dir, fileSealKey), platform.SealKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("gramine: %w", err)
	}
	return platform.DeriveSealKey(root, "scbr/gramine/seal/v1", info)
}

var _ interface {
	platform.Platform
	platform.Sealer
} = (*Platform)(nil)

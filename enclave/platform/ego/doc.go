// Package ego is SGX under the EGo runtime. Only programs built with the tag ego (and
// cgo) have it; in others Open says so.
//
// Outside an enclave, and in EGo's simulation, the runtime makes no quotes and gives
// seal keys of zeros without an error: the first tells where a program runs, the
// second is refused. The variable OE_IS_ENCLAVE, which anybody can set, is not
// looked at.
package ego

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/enclave/platform/evidence"
	"github.com/scbr/scbr/keyx/quote"
)

var (
	// ErrNotBuilt: this program was built without the tag ego.
	ErrNotBuilt = errors.New("ego: this program was built without the tag ego")
	// ErrSealInfo: the info of a seal key asks for a key that others can have too.
	ErrSealInfo = errors.New("ego: the info is not a request for a key of this signer's product alone")
	// ErrReport: the runtime's report is not a quote of SGX in Open Enclave's envelope.
	ErrReport = errors.New("ego: the runtime's report is not one of Open Enclave with a quote of SGX")
)

// Open Enclave's envelope: version u32, type u32, size of the quote u64, little endian
// (openenclave/internal/report.h, oe_report_header_t).
const (
	envelopeBytes   = 16
	envelopeVersion = 1
	envelopeRemote  = 2
)

// unwrap takes the quote out of a report.
func unwrap(report []byte) ([]byte, error) {
	le := binary.LittleEndian
	if len(report) < envelopeBytes || le.Uint32(report) != envelopeVersion || le.Uint32(report[4:]) != envelopeRemote ||
		le.Uint64(report[8:]) != uint64(len(report)-envelopeBytes) {
		return nil, ErrReport
	}
	raw := report[envelopeBytes:]
	if tee, err := evidence.TEE(raw); err != nil || tee != quote.TEESGX {
		return nil, errors.Join(ErrReport, err)
	}
	return raw, nil
}

// runtime is what the EGo runtime offers.
type runtime interface {
	// report is never called with less than 64 bytes: EGo panics without any.
	report(data []byte) ([]byte, error)
	newSealKey() (key, info []byte, err error)
	sealKey(info []byte) ([]byte, error)
}

// Platform quotes through the EGo runtime, which serialises what has to be.
type Platform struct {
	runtime runtime
	info    platform.Info
}

// open makes a quote, to learn who this enclave is.
func open(r runtime) (*Platform, error) {
	p := &Platform{runtime: r}
	raw, _, err := p.Quote([64]byte{})
	if err != nil {
		return nil, err
	}
	p.info, err = evidence.Info(platform.KindEGo, raw)
	return p, err
}

// Info implements platform.Platform.
func (p *Platform) Info() platform.Info { return p.info }

// Quote implements platform.Platform; the host staples collateral.
func (p *Platform) Quote(reportData [64]byte) (raw, collateral []byte, err error) {
	report, err := p.runtime.report(reportData[:])
	if err != nil {
		return nil, nil, fmt.Errorf("ego: no quote: %w", err)
	}
	if raw, err = unwrap(report); err != nil {
		return nil, nil, err
	}
	return raw, nil, evidence.Check(raw, reportData)
}

// NewSealKey implements platform.Sealer; info is SGX's key request, 512 bytes.
func (p *Platform) NewSealKey() (key, info []byte, err error) {
	if key, info, err = p.runtime.newSealKey(); err != nil {
		return nil, nil, fmt.Errorf("ego: %w", err)
	}
	if err = checkSealInfo(info); err == nil {
		key, err = platform.CheckSealKey(key)
	}
	if err != nil {
		return nil, nil, err
	}
	return key, info, nil
}

// SealKey implements platform.Sealer. Infos come back from wherever the host kept
// them, so that only the one kind of request that NewSealKey makes is passed on.
func (p *Platform) SealKey(info []byte) ([]byte, error) {
	if err := checkSealInfo(info); err != nil {
		return nil, err
	}
	key, err := p.runtime.sealKey(info)
	if err != nil {
		return nil, fmt.Errorf("ego: %w", err)
	}
	return platform.CheckSealKey(key)
}

var _ interface {
	platform.Platform
	platform.Sealer
} = (*Platform)(nil)

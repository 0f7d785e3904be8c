// Package tsm is a confidential virtual machine, TDX or SEV-SNP, which Linux shows
// as configfs-tsm below /sys/kernel/config/tsm/report (kernel documentation,
// ABI/testing/configfs-tsm).
//
// The kernel that answers is inside the guest and measured with it; the quoting
// service and the firmware behind it are not, and what they answer is believed by
// nobody (package platform). Each quote has an entry of its own. Its generation
// counts the writes to it: if it is another after reading than what one write makes
// it, somebody else wrote in between, and the quote is made anew. So it is, a little
// later, when the kernel is busy with another one.
package tsm

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/enclave/platform/evidence"
	"github.com/scbr/scbr/keyx/quote"
)

// Directory is where Linux shows it.
const Directory = "/sys/kernel/config/tsm/report"

// Providers, as the kernel's drivers call themselves.
const (
	providerTDX = "tdx_guest"
	providerSNP = "sev_guest"
)

const (
	fileIn         = "inblob"
	fileOut        = "outblob"
	fileGeneration = "generation"
	fileProvider   = "provider"

	// attempts bounds how often a quote is made anew, firstPause what is waited before
	// the second time; it doubles each time, to three seconds in all. A quoting service
	// answers within one.
	attempts     = 5
	firstPause   = 200 * time.Millisecond
	maxTextBytes = 64
	nameBytes    = 8
)

var (
	// ErrBusy: somebody else kept writing to the entry.
	ErrBusy = errors.New("tsm: another process writes to the same entry")
	// ErrProvider: the guest is neither TDX nor SEV-SNP.
	ErrProvider = errors.New("tsm: a provider that is neither tdx_guest nor sev_guest")
)

// Files are the operations on configfs that a quote needs. Paths are below
// Directory.
type Files interface {
	Mkdir(name string) error
	Write(name string, b []byte) error
	// Read reads a whole file of at most limit bytes.
	Read(name string, limit int) ([]byte, error)
	Rmdir(name string) error
}

// Platform quotes through configfs-tsm. Its quotes are independent of each other.
type Platform struct {
	files  Files
	random io.Reader
	info   platform.Info
}

// Open makes a quote, to learn who this guest is. dir is Directory.
func Open(dir string) (*Platform, error) { return OpenFiles(osFiles(dir), rand.Reader) }

// OpenFiles is Open with other files, and names drawn from random.
func OpenFiles(files Files, random io.Reader) (*Platform, error) {
	p := &Platform{files: files, random: random}
	raw, kind, err := p.report([64]byte{})
	if err != nil {
		return nil, err
	}
	p.info, err = evidence.Info(kind, raw)
	return p, err
}

// Info implements platform.Platform.
func (p *Platform) Info() platform.Info { return p.info }

// Quote implements platform.Platform; the host staples collateral.
func (p *Platform) Quote(reportData [64]byte) (raw, collateral []byte, err error) {
	raw, _, err = p.report(reportData)
	return raw, nil, err
}

// NewSealKey implements platform.Sealer; see SealKey.
func (p *Platform) NewSealKey() (key, info []byte, err error) {
	return nil, nil, platform.ErrNoSealKey
}

// SealKey implements platform.Sealer: TDX has no key of its own, and that of SEV-SNP
// needs a device that configfs does not show.
func (p *Platform) SealKey([]byte) ([]byte, error) { return nil, platform.ErrNoSealKey }

// report makes an entry, and a quote in it.
func (p *Platform) report(reportData [64]byte) (raw []byte, kind string, err error) {
	var id [nameBytes]byte
	if _, err := io.ReadFull(p.random, id[:]); err != nil {
		return nil, "", err
	}
	entry := "scbr-" + hex.EncodeToString(id[:])
	if err := p.files.Mkdir(entry); err != nil {
		return nil, "", fmt.Errorf("tsm: %w", err)
	}
	defer func() { err = errors.Join(err, p.files.Rmdir(entry)) }()
	for n := range attempts {
		if n > 0 {
			time.Sleep(firstPause << (n - 1))
		}
		raw, kind, err = p.once(entry, reportData)
		if !passing(err) {
			return raw, kind, err
		}
	}
	return nil, "", err
}

// passing tells whether the next attempt may do better: somebody else wrote to the
// entry (EWOULDBLOCK where the kernel noticed itself), an earlier request is still with
// the quoting service (EBUSY, TDX), or a signal came (EINTR).
func passing(err error) bool {
	for _, e := range [...]error{ErrBusy, syscall.EWOULDBLOCK, syscall.EBUSY, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (p *Platform) once(entry string, reportData [64]byte) ([]byte, string, error) {
	before, err := p.generation(entry)
	if err != nil {
		return nil, "", err
	}
	if err := p.files.Write(filepath.Join(entry, fileIn), reportData[:]); err != nil {
		return nil, "", fmt.Errorf("tsm: %w", err)
	}
	provider, err := p.files.Read(filepath.Join(entry, fileProvider), maxTextBytes)
	if err != nil {
		return nil, "", fmt.Errorf("tsm: %w", err)
	}
	raw, err := p.files.Read(filepath.Join(entry, fileOut), quote.MaxQuoteBytes)
	if err != nil {
		return nil, "", fmt.Errorf("tsm: %w", err)
	}
	after, err := p.generation(entry)
	if err != nil {
		return nil, "", err
	}
	if after != before+1 {
		return nil, "", ErrBusy
	}
	kind, err := kindOf(strings.TrimSpace(string(provider)), raw)
	if err == nil {
		err = evidence.Check(raw, reportData)
	}
	return raw, kind, err
}

// kindOf compares what the provider says it is with what it made.
func kindOf(provider string, raw []byte) (string, error) {
	tee, err := evidence.TEE(raw)
	switch {
	case provider != providerTDX && provider != providerSNP:
		return "", ErrProvider
	case err != nil:
		return "", fmt.Errorf("tsm: %w", err)
	case provider == providerTDX && tee == quote.TEETDX:
		return platform.KindTDX, nil
	case provider == providerSNP && tee == quote.TEESNP:
		return platform.KindSNP, nil
	}
	return "", fmt.Errorf("tsm: %s made a quote of %s", provider, tee)
}

func (p *Platform) generation(entry string) (uint64, error) {
	b, err := p.files.Read(filepath.Join(entry, fileGeneration), maxTextBytes)
	if err != nil {
		return 0, fmt.Errorf("tsm: %w", err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 63)
	if err != nil {
		return 0, fmt.Errorf("tsm: generation: %w", err)
	}
	return n, nil
}

// osFiles are the kernel's own, below a directory.
type osFiles string

func (d osFiles) path(name string) string { return filepath.Join(string(d), name) }

func (d osFiles) Mkdir(name string) error { return os.Mkdir(d.path(name), 0o700) }

func (d osFiles) Rmdir(name string) error { return os.Remove(d.path(name)) }

func (d osFiles) Write(name string, b []byte) error { return platform.WriteDevice(d.path(name), b) }

func (d osFiles) Read(name string, limit int) ([]byte, error) {
	return platform.ReadDevice(d.path(name), limit)
}

var _ interface {
	platform.Platform
	platform.Sealer
} = (*Platform)(nil)

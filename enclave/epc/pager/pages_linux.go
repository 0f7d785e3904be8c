package pager

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

const (
	// sealLabel separates these seals from whatever else may be under such a key.
	sealLabel = "SCBR simulated EPC page v1"
	keyLen    = 16 // AES-128, as SGX seals pages
	tagLen    = 16
	nonceLen  = 12
	slotBytes = PageBytes + tagLen
)

// state is where a page is.
type state uint8

const (
	never    state = iota // nowhere: it reads as zero
	resident              // in memory
	sealed                // taken away
)

// entry is a page. Their list is address space until they are used.
type entry struct {
	before, after uint32 // 1 + page, in the order of eviction, if it is resident
	version       uint64 // of the latest seal; only grows
	state         state
	referenced    bool // since CLOCK's hand passed it
	unmapped      bool // resident, but the enclave's next touch is told as a minor fault
}

// pages are a region's pages as the pager keeps them.
//
// A page is sealed by AES-GCM under a key that lives as long as the process. The nonce
// is the page's number and its version, which counts the page's seals and is never set
// back, not even when the page is discarded: it cannot repeat. An older seal and another
// page's do not open, because the nonce is made of what is remembered here.
type pages struct {
	faultFD, memoryFD int
	base              uint64
	memory            []byte // the same memory, read by the pager
	kept              []byte // a slot of sealed bytes for each page
	entries           []entry
	first, last       uint32 // of the order of eviction, as 1 + page
	limit, resident   int
	policy            Policy
	aead              cipher.AEAD
	page              []byte // one page, as the kernel wants it
	nonce             [nonceLen]byte
	counters          Counters
}

func newPages(faults, memory int, base uint64, size int, cfg Config) (*pages, error) {
	p := &pages{faultFD: faults, memoryFD: memory, base: base, limit: cfg.Pages, policy: cfg.Policy}
	var key [keyLen]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, system("key", err)
	}
	block, err := aes.NewCipher(key[:])
	clear(key[:])
	if err != nil {
		return nil, system("key", err)
	}
	if p.aead, err = cipher.NewGCM(block); err != nil {
		return nil, system("key", err)
	}
	if p.memory, err = unix.Mmap(memory, 0, size, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_NORESERVE); err != nil {
		return nil, system("memory", err)
	}
	n := size / PageBytes
	anonymous := unix.MAP_PRIVATE | unix.MAP_ANON | unix.MAP_NORESERVE
	if p.kept, err = unix.Mmap(-1, 0, n*slotBytes, unix.PROT_READ|unix.PROT_WRITE, anonymous); err != nil {
		return nil, system("memory", err)
	}
	if p.page, err = unix.Mmap(-1, 0, PageBytes, unix.PROT_READ|unix.PROT_WRITE, anonymous); err != nil {
		return nil, system("memory", err)
	}
	p.entries = make([]entry, n)
	return p, nil
}

func (p *pages) bytes() uint64 { return uint64(len(p.memory)) }

// rangeOf is a page in the enclave's address space.
func (p *pages) rangeOf(page uint32) pageRange {
	return pageRange{p.base + uint64(page)*PageBytes, PageBytes}
}

// plain is a page as the pager sees it.
func (p *pages) plain(page uint32) []byte {
	return p.memory[int(page)*PageBytes:][:PageBytes]
}

func (p *pages) slot(page uint32) []byte { return p.kept[int(page)*slotBytes:][:slotBytes] }

// fault serves one.
func (p *pages) fault(address, flags uint64) error {
	if address < p.base || address-p.base >= p.bytes() {
		return &Error{Op: "fault", Kind: KindProtocol}
	}
	page := uint32((address - p.base) / PageBytes) //nolint:gosec // at most MaxBytes/PageBytes
	e := &p.entries[page]
	if e.state != resident {
		return p.load(page, e)
	}
	switch { // other threads wait for the same page, or it was only unmapped or protected
	case e.unmapped || flags&faultMinor != 0:
		if !e.referenced {
			p.counters.Minor++
		}
		e.unmapped, e.referenced = false, true
		if err := continuePage(p.faultFD, p.rangeOf(page)); err != nil {
			return system("continue", err)
		}
	case flags&faultWP != 0:
		if err := writeProtect(p.faultFD, p.rangeOf(page), 0); err != nil {
			return system("unprotect", err)
		}
	default:
		if err := wake(p.faultFD, p.rangeOf(page)); err != nil {
			return system("wake", err)
		}
	}
	return nil
}

// load makes a page resident.
func (p *pages) load(page uint32, e *entry) error {
	p.counters.Faults++
	if p.limit > 0 && p.resident == p.limit {
		if err := p.evict(); err != nil {
			return err
		}
	}
	if e.state == sealed {
		p.counters.Loads++
		if _, err := p.aead.Open(p.page[:0], p.nonceOf(page, e), p.slot(page), []byte(sealLabel)); err != nil {
			return &Error{Op: "load", Kind: KindSealed}
		}
	} else {
		clear(p.page)
	}
	if err := copyPage(p.faultFD, p.rangeOf(page).start, p.page); err != nil {
		return system("copy", err)
	}
	e.state, e.referenced, e.unmapped = resident, true, false
	p.resident++
	p.append(page)
	return nil
}

func (p *pages) nonceOf(page uint32, e *entry) []byte {
	binary.BigEndian.PutUint32(p.nonce[:], page)
	binary.BigEndian.PutUint64(p.nonce[4:], e.version)
	return p.nonce[:]
}

// evict takes the page away whose turn it is. CLOCK's hand is the beginning of the
// order: a page that was touched since it passed last goes to the end.
func (p *pages) evict() error {
	page := p.first - 1
	for p.policy == CLOCK && p.entries[page].referenced {
		p.entries[page].referenced = false
		if err := p.unmap(page); err != nil {
			return err
		}
		p.unlink(page)
		p.append(page)
		page = p.first - 1
	}
	e := &p.entries[page]
	if err := p.protect(page, e); err != nil {
		return err
	}
	e.version++
	p.aead.Seal(p.slot(page)[:0], p.nonceOf(page, e), p.plain(page), []byte(sealLabel))
	if err := p.punch(page, 1); err != nil {
		return err
	}
	p.unlink(page)
	e.state = sealed
	p.resident--
	p.counters.Evictions++
	return nil
}

// protect keeps the enclave from writing to a page while it is taken away: who tries
// waits, and faults again when it is gone.
func (p *pages) protect(page uint32, e *entry) error {
	if e.unmapped { // it cannot reach it at all
		return nil
	}
	if err := writeProtect(p.faultFD, p.rangeOf(page), writeProtectOn); err != nil {
		return system("protect", err)
	}
	return nil
}

// unmap takes a page out of the enclave's page table, but not out of memory, so that
// the next touch tells. There is no call for that: the page is taken away and put back
// behind the mapping.
func (p *pages) unmap(page uint32) error {
	e := &p.entries[page]
	if e.unmapped {
		return nil
	}
	if err := p.protect(page, e); err != nil {
		return err
	}
	copy(p.page, p.plain(page))
	if err := p.punch(page, 1); err != nil {
		return err
	}
	if _, err := unix.Pwrite(p.memoryFD, p.page, int64(page)*PageBytes); err != nil {
		return system("put back", err)
	}
	e.unmapped = true
	return nil
}

// punch takes pages out of memory and out of both page tables.
func (p *pages) punch(page, n uint32) error {
	err := unix.Fallocate(p.memoryFD, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(page)*PageBytes, int64(n)*PageBytes)
	if err != nil {
		return system("take away", err)
	}
	return nil
}

// discard forgets pages. Their versions go on.
func (p *pages) discard(from, n uint32) error {
	for page := from; page < from+n; page++ {
		e := &p.entries[page]
		if e.state == resident {
			p.unlink(page)
			p.resident--
		}
		if e.state == sealed {
			clear(p.slot(page))
		}
		*e = entry{version: e.version}
	}
	if n == 0 {
		return nil
	}
	return p.punch(from, n)
}

// setLimit changes how many pages can be resident.
func (p *pages) setLimit(n int) error {
	p.limit = n
	for n > 0 && p.resident > n {
		if err := p.evict(); err != nil {
			return err
		}
	}
	return nil
}

// append puts a page at the end of the order.
func (p *pages) append(page uint32) {
	e := &p.entries[page]
	e.before, e.after = p.last, 0
	if p.last != 0 {
		p.entries[p.last-1].after = page + 1
	} else {
		p.first = page + 1
	}
	p.last = page + 1
}

func (p *pages) unlink(page uint32) {
	e := &p.entries[page]
	if e.before != 0 {
		p.entries[e.before-1].after = e.after
	} else {
		p.first = e.after
	}
	if e.after != 0 {
		p.entries[e.after-1].before = e.before
	} else {
		p.last = e.before
	}
	e.before, e.after = 0, 0
}

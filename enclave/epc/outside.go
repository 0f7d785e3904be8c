package epc

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"io"

	"github.com/scbr/scbr/matcher"
)

const (
	// spillLabel separates what is sealed here from whatever else may ever be under
	// such a key.
	spillLabel = "SCBR zone outside the enclave v1"
	keyLen     = 16 // AES-128, as hardware seals the pages that it evicts
	tagLen     = 16
	nonceLen   = 12
	// stride is the room outside for one zone, whole pages.
	stride = matcher.MaxZoneBytes + matcher.MemoryPage
)

// outside keeps sealed zones in memory that is not counted and not trusted.
//
// One random key lives as long as the Arena and seals nothing else. The nonce is the
// number of the sealing, which is counted in 64 bits and never set back, so it cannot
// repeat under the key. Which sealing is the latest of a zone is remembered inside:
// an older one, or another zone's, does not open.
type outside struct {
	aead   cipher.AEAD
	memory Backing
	count  uint64
	zones  []sealed // by number, from 1 on
	copy   []byte   // a sealed zone while it is opened: the host could change the original meanwhile
	nonce  [nonceLen]byte
	data   []byte // associated data
}

// sealed is what is remembered of a zone outside.
type sealed struct {
	number uint64 // of the sealing; 0: there is none
	bytes  int    // of the zone
	room   int    // bytes outside that were touched
}

// KeepOutside lets zones be kept in memory outside the enclave that is no part of the
// budget, under a key from rand. Where all memory is the enclave's (EGo,
// Gramine) the error is of KindOutside: nothing would be gained.
func (a *Arena) KeepOutside(rand io.Reader) error {
	if !hasOutside {
		return &Error{Op: "keep outside", Kind: KindOutside}
	}
	var key [keyLen]byte
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return &Error{Op: "keep outside", Kind: KindSystem, Err: err}
	}
	block, err := aes.NewCipher(key[:])
	clear(key[:])
	if err != nil {
		return &Error{Op: "keep outside", Kind: KindSystem, Err: err}
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return &Error{Op: "keep outside", Kind: KindSystem, Err: err}
	}
	memory, err := reserve(matcher.MaxZones * stride)
	if err != nil {
		return &Error{Op: "keep outside", Kind: KindSystem, Err: err}
	}
	a.outside = &outside{aead: aead, memory: memory, zones: make([]sealed, matcher.MaxZones+1)}
	return nil
}

// Spill implements matcher.Outside. What did not change since it was fetched is not
// sealed again: what lies outside is still the latest.
func (a *Arena) Spill(id uint32, zone []byte, changed bool) error {
	o := a.outside
	if o == nil || int(id) >= len(o.zones) || len(zone) > matcher.MaxZoneBytes {
		return &Error{Op: "spill", Kind: KindOutside}
	}
	z := &o.zones[id]
	if !changed && z.number > 0 && z.bytes == len(zone) {
		return nil
	}
	o.count++
	z.number, z.bytes = o.count, len(zone)
	z.room = max(z.room, z.bytes+tagLen)
	o.aead.Seal(o.place(id)[:0], o.nonceOf(z), zone, o.dataOf(id, z))
	return nil
}

// place is where a zone is outside.
func (o *outside) place(id uint32) []byte {
	return o.memory.Bytes()[int(id-1)*stride:][:stride]
}

// Fetch implements matcher.Outside. What is not what was put out is not shown.
func (a *Arena) Fetch(id uint32, zone []byte) error {
	o := a.outside
	if o == nil || int(id) >= len(o.zones) || o.zones[id].number == 0 || o.zones[id].bytes != len(zone) {
		return &Error{Op: "fetch", Kind: KindOutside}
	}
	z := &o.zones[id]
	o.copy = append(o.copy[:0], o.place(id)[:len(zone)+tagLen]...)
	if _, err := o.aead.Open(zone[:0], o.nonceOf(z), o.copy, o.dataOf(id, z)); err != nil {
		return &Error{Op: "fetch", Kind: KindSealed}
	}
	return nil
}

// Forget implements matcher.Outside.
func (a *Arena) Forget(id uint32) {
	o := a.outside
	if o == nil || int(id) >= len(o.zones) {
		return
	}
	if z := &o.zones[id]; z.room > 0 {
		pages := (z.room + matcher.MemoryPage - 1) / matcher.MemoryPage * matcher.MemoryPage
		_ = o.memory.Discard(int(id-1)*stride, pages) // it is only sealed bytes that nobody needs
		*z = sealed{}
	}
}

func (o *outside) nonceOf(z *sealed) []byte {
	binary.BigEndian.PutUint64(o.nonce[nonceLen-8:], z.number)
	return o.nonce[:]
}

func (o *outside) dataOf(id uint32, z *sealed) []byte {
	o.data = append(o.data[:0], spillLabel...)
	o.data = binary.BigEndian.AppendUint32(o.data, id)
	o.data = binary.BigEndian.AppendUint64(o.data, uint64(z.bytes))
	return o.data
}

func (o *outside) close() { _ = o.memory.Close() }

package keyx

import (
	"crypto/cipher"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"
)

// Roles, as they stand in bind and T.
const (
	roleClient  = "client"
	roleEnclave = "enclave"
)

const (
	// version1 is the protocol version of this package.
	version1 uint16 = 1
	// suite1 is X-Wing, HKDF-SHA-512, SHA-256, Ed25519, AES-256 for content keys, ChaCha20-Poly1305 for payloads, and
	// AES-256-GCM for boxes and blobs.
	suite1 uint16 = 1
	// suite2 is suite1 with ChaCha20-Poly1305 for boxes and blobs: for machines without instructions for AES, where AES
	// in software is slow and lets whoever shares the processor see its tables.
	suite2 uint16 = 2
	// maxOffers bounds each list of versions or suites: a peer offers what it still supports.
	maxOffers = 8
)

// offer is what one side supports: numbers in ascending order. A greater number is a better one.
type offer struct{ versions, suites []uint16 }

// supported is what this package can do, and an enclave offers.
func supported() offer {
	return offer{versions: []uint16{version1}, suites: []uint16{suite1, suite2}}
}

// offered is what a client offers: the greatest suite in common is chosen, so one that has AES leaves suite2 out.
func offered(withoutAES bool) offer {
	o := supported()
	if !withoutAES {
		o.suites = []uint16{suite1}
	}
	return o
}

// newAEAD is that of a suite's boxes and blobs: 12-byte nonces, 16-byte tags.
func newAEAD(suite uint16, key *secret32) (cipher.AEAD, error) {
	switch suite {
	case suite1:
		return newGCM(key[:])
	case suite2:
		return chacha20poly1305.New(key[:])
	default:
		return nil, fail("suite", KindBadSuite, nil)
	}
}

// choice is one version and one suite.
type choice struct{ version, suite uint16 }

// best is the best version and suite that stand in both offers, or the kind that says what is missing.
// Both sides compute it; the client believes nobody's.
func best(a, b offer) (choice, Kind) {
	c := choice{version: greatestCommon(a.versions, b.versions), suite: greatestCommon(a.suites, b.suites)}
	switch {
	case c.version == 0:
		return c, KindBadVersion
	case c.suite == 0:
		return c, KindBadSuite
	}
	return c, KindOK
}

func greatestCommon(a, b []uint16) uint16 {
	var out uint16
	for _, x := range a {
		for _, y := range b {
			if x == y && x > out {
				out = x
			}
		}
	}
	return out
}

// appendNumbers encodes a list: a count byte, then 2 bytes each.
func appendNumbers(dst []byte, list []uint16) []byte {
	dst = append(dst, uint8(len(list)))
	for _, n := range list {
		dst = binary.BigEndian.AppendUint16(dst, n)
	}
	return dst
}

// numbers decodes a list: at least one, at most maxOffers, ascending, none zero.
func (r *reader) numbers() []uint16 {
	n := int(r.u8())
	if n == 0 || n > maxOffers {
		r.bad = true
	}
	var out []uint16
	for last := uint16(0); n > 0 && !r.bad; n-- {
		v := r.u16()
		if v <= last {
			r.bad = true
		}
		last = v
		out = append(out, v)
	}
	return out
}

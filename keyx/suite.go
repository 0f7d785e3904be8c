package keyx

import "encoding/binary"

// Roles, as they stand in bind and T.
const (
	roleClient  = "client"
	roleEnclave = "enclave"
)

const (
	// version1 is the protocol version of this package.
	version1 uint16 = 1
	// suite1 is X-Wing, HKDF-SHA-512, AES-256-GCM, ChaCha20-Poly1305, SHA-256, Ed25519.
	suite1 uint16 = 1
	// maxOffers bounds each list of versions or suites: a peer offers what it still supports.
	maxOffers = 8
)

// offer is what one side supports: numbers in ascending order. A greater number is a better one.
type offer struct{ versions, suites []uint16 }

func supported() offer { return offer{versions: []uint16{version1}, suites: []uint16{suite1}} }

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

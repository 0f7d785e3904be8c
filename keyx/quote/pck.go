package quote

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
)

// PCK is what Intel's SGX extension of a PCK certificate says about the platform
// (PCK certificate profile 1.5, section 1.3.5). Further members are ignored.
type PCK struct {
	// PPID is the platform's (encrypted elsewhere) provisioning id.
	PPID [16]byte
	// TCB holds the 16 component SVNs, PCESVN the provisioning enclave's.
	TCB    [16]uint8
	PCESVN uint16
	// CPUSVN is the raw form of TCB.
	CPUSVN [16]byte
	// PCEID and FMSPC identify the provisioning enclave and processor family.
	PCEID [2]byte
	FMSPC [6]byte
}

// Arcs below the SGX extension.
const (
	arcPPID   = 1
	arcTCB    = 2
	arcPCEID  = 3
	arcFMSPC  = 4
	arcPCESVN = 17 // below arcTCB; 1..16 are the components
	arcCPUSVN = 18 // below arcTCB

	// maxPCKMembers bounds the members of one sequence; 19 are defined.
	maxPCKMembers = 32
)

// OIDSGXExtension is the object identifier of the SGX extension.
func OIDSGXExtension() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}
}

// pckMember is one {identifier, value} of the extension.
type pckMember struct {
	ID    asn1.ObjectIdentifier
	Value asn1.RawValue
}

// parsePCK reads the SGX extension of a certificate.
func parsePCK(cert *x509.Certificate) (PCK, error) {
	oid := OIDSGXExtension()
	for _, ext := range cert.Extensions {
		if ext.Id.Equal(oid) { // x509 has refused duplicate extensions
			return parsePCKExtension(ext.Value)
		}
	}
	return PCK{}, errors.New("no SGX extension: not a PCK certificate")
}

func parsePCKExtension(der []byte) (PCK, error) {
	var p PCK
	found, err := p.walk(der, OIDSGXExtension(), func(arc int, v asn1.RawValue) (bool, error) {
		switch arc {
		case arcPPID:
			return true, octets(v, p.PPID[:])
		case arcTCB:
			return true, p.parseTCB(v.FullBytes)
		case arcPCEID:
			return true, octets(v, p.PCEID[:])
		case arcFMSPC:
			return true, octets(v, p.FMSPC[:])
		}
		return false, nil
	})
	if err != nil {
		return PCK{}, err
	}
	if found != arcFMSPC {
		return PCK{}, errors.New("SGX extension: member missing")
	}
	return p, nil
}

func (p *PCK) parseTCB(der []byte) error {
	oid := append(OIDSGXExtension(), arcTCB)
	found, err := p.walk(der, oid, func(arc int, v asn1.RawValue) (bool, error) {
		switch {
		case arc <= len(p.TCB):
			n, err := integer(v, 1<<8)
			p.TCB[arc-1] = uint8(n)
			return true, err
		case arc == arcPCESVN:
			n, err := integer(v, 1<<16)
			p.PCESVN = uint16(n)
			return true, err
		case arc == arcCPUSVN:
			return true, octets(v, p.CPUSVN[:])
		}
		return false, nil
	})
	if err == nil && found != arcCPUSVN {
		err = errors.New("SGX extension: TCB member missing")
	}
	return err
}

// walk calls visit for each member below oid of a sequence, refusing repeated
// ones, and returns how many visit knew.
func (p *PCK) walk(der []byte, oid asn1.ObjectIdentifier, visit func(arc int, v asn1.RawValue) (bool, error)) (int, error) {
	var members []pckMember
	rest, err := asn1.Unmarshal(der, &members)
	if err != nil || len(rest) != 0 || len(members) > maxPCKMembers {
		return 0, errors.New("SGX extension: malformed")
	}
	found, seen := 0, uint64(0)
	for _, m := range members {
		n := len(oid)
		if len(m.ID) != n+1 || !m.ID[:n].Equal(oid) || m.ID[n] < 1 || m.ID[n] > maxPCKMembers {
			return 0, errors.New("SGX extension: foreign member")
		}
		arc := m.ID[n]
		if seen&(1<<arc) != 0 {
			return 0, fmt.Errorf("SGX extension: member %d repeated", arc)
		}
		seen |= 1 << arc
		known, err := visit(arc, m.Value)
		if err != nil {
			return 0, err
		}
		if known {
			found++
		}
	}
	return found, nil
}

func octets(v asn1.RawValue, dst []byte) error {
	var b []byte
	rest, err := asn1.Unmarshal(v.FullBytes, &b)
	if err != nil || len(rest) != 0 || len(b) != len(dst) {
		return errors.New("SGX extension: octet string of another size")
	}
	copy(dst, b)
	return nil
}

// integer reads a number below limit.
func integer(v asn1.RawValue, limit int64) (int64, error) {
	var n int64
	rest, err := asn1.Unmarshal(v.FullBytes, &n)
	if err != nil || len(rest) != 0 || n < 0 || n >= limit {
		return 0, errors.New("SGX extension: number out of range")
	}
	return n, nil
}

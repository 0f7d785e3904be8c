package sim

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"

	"github.com/scbr/scbr/keyx/quote"
)

// Members of Intel's SGX extension (PCK certificate profile 1.5, section 1.3.5).
const (
	arcPPID   = 1
	arcTCB    = 2
	arcPCEID  = 3
	arcFMSPC  = 4
	arcType   = 5
	arcPCESVN = 17
	arcCPUSVN = 18

	ppidBytes = 16

	// sgxTypeStandard is the SGX type of client machines: no multi-package
	// registration.
	sgxTypeStandard = 0
)

// fmspc marks the simulated processor family; no real one has it.
func fmspc() []byte { return []byte("SCBR\x00\x01") }

type octetMember struct {
	ID    asn1.ObjectIdentifier
	Value []byte
}

type intMember struct {
	ID    asn1.ObjectIdentifier
	Value int
}

type enumMember struct {
	ID    asn1.ObjectIdentifier
	Value asn1.Enumerated
}

type listMember struct {
	ID    asn1.ObjectIdentifier
	Value []asn1.RawValue
}

// addSGXExtension gives a PCK certificate a platform id from rand and the TCB of
// the simulated machine.
func addSGXExtension(rand io.Reader, pck *x509.Certificate) error {
	ppid := make([]byte, ppidBytes)
	if _, err := io.ReadFull(rand, ppid); err != nil {
		return err
	}
	tcb, err := tcbMembers()
	if err != nil {
		return err
	}
	members, err := encodeAll(
		octetMember{arc(arcPPID), ppid},
		listMember{arc(arcTCB), tcb},
		octetMember{arc(arcPCEID), []byte{0, 0}},
		octetMember{arc(arcFMSPC), fmspc()},
		enumMember{arc(arcType), sgxTypeStandard},
	)
	if err != nil {
		return err
	}
	der, err := asn1.Marshal(members)
	pck.ExtraExtensions = []pkix.Extension{{Id: quote.OIDSGXExtension(), Value: der}}
	return err
}

func tcbMembers() ([]asn1.RawValue, error) {
	svn := cpuSVN()
	var all []any
	for i, n := range svn {
		all = append(all, intMember{arc(arcTCB, i+1), int(n)})
	}
	all = append(all, intMember{arc(arcTCB, arcPCESVN), pceSVN}, octetMember{arc(arcTCB, arcCPUSVN), svn[:]})
	return encodeAll(all...)
}

func arc(below ...int) asn1.ObjectIdentifier {
	return append(quote.OIDSGXExtension(), below...)
}

func encodeAll(values ...any) ([]asn1.RawValue, error) {
	out := make([]asn1.RawValue, 0, len(values))
	for _, v := range values {
		der, err := asn1.Marshal(v)
		if err != nil {
			return nil, err
		}
		out = append(out, asn1.RawValue{FullBytes: der})
	}
	return out, nil
}

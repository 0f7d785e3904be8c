package sim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"math/big"

	"github.com/scbr/scbr/keyx/quote"
)

// Numbers of the simulated machine. They are plausible, not those of any real one.
const (
	qeProduct = 1 // Intel's quoting enclave
	qeSVN     = 8
	pceSVN    = 13
	xfrm      = 0x03 // x87 and SSE state
)

// Layout of the file qe.bin.
const (
	keyBytes  = 64
	authBytes = 32 // as Intel's quoting enclave
	qeBytes   = keyBytes + quote.ReportBytes + keyBytes + authBytes
)

// qeEvidence is what the quoting enclave has to show for its attestation key.
type qeEvidence struct {
	attestationKey [keyBytes]byte // public, X || Y
	report         quote.Report
	signature      [keyBytes]byte // by the PCK key over report
	auth           []byte         // bound, with the key, by report
}

// qeMeasurement and qeSigner identify the simulated quoting enclave.
func qeMeasurement() [32]byte { return sha256.Sum256([]byte("scbr/sim/qe/v1")) }
func qeSigner() [32]byte      { return sha256.Sum256([]byte("scbr/sim/qe-signer/v1")) }

// cpuSVN is the simulated machine's CPUSVN: the TCB components of its PCK
// certificate, in order.
func cpuSVN() [16]byte { return [16]byte{12, 12, 3, 3, 255, 255, 1} }

// newEvidence makes the quoting enclave's report over an attestation key and has
// it signed with the PCK key.
func newEvidence(pck, attestation *ecdsa.PrivateKey, auth []byte, flaw Flaw, v Variant) (qeEvidence, error) {
	e := qeEvidence{auth: auth}
	var err error
	if e.attestationKey, err = rawPublicKey(&attestation.PublicKey); err != nil {
		return qeEvidence{}, err
	}
	f := quote.ReportFields{
		CPUSVN:      cpuSVN(),
		Attributes:  quote.AttributeInit | quote.AttributeMode64 | quote.AttributeProvisionKey,
		XFRM:        xfrm,
		Measurement: qeMeasurement(),
		Signer:      qeSigner(),
		ProductID:   qeProduct,
		SVN:         qeSVN,
		ReportData:  e.binding(),
	}
	if v.TDX {
		f.ProductID = productTDQE
	}
	if v.QEReport != nil {
		v.QEReport(&f)
	}
	flaw.inQEReport(&f)
	e.report = quote.NewReport(f)
	if e.signature, err = signRaw(pck, e.report[:]); err != nil {
		return qeEvidence{}, err
	}
	return e, nil
}

// binding is the report data that names key and auth.
func (e *qeEvidence) binding() [64]byte {
	var out [64]byte
	sum := sha256.Sum256(append(e.attestationKey[:], e.auth...))
	copy(out[:], sum[:])
	return out
}

// userData is the header's user data: Intel's quoting enclave writes a 16-byte
// platform id there, then zeros.
func (e *qeEvidence) userData() [20]byte {
	var out [20]byte
	sum := sha256.Sum256(e.report[:])
	copy(out[:16], sum[:])
	return out
}

func (e *qeEvidence) marshal() []byte {
	out := append([]byte(nil), e.attestationKey[:]...)
	out = append(out, e.report[:]...)
	out = append(out, e.signature[:]...)
	return append(out, e.auth...)
}

func parseEvidence(b []byte) (qeEvidence, error) {
	if len(b) != qeBytes {
		return qeEvidence{}, errors.New("another size")
	}
	var e qeEvidence
	b = b[copy(e.attestationKey[:], b):]
	b = b[copy(e.report[:], b):]
	b = b[copy(e.signature[:], b):]
	e.auth = append([]byte(nil), b...)
	return e, nil
}

// rawPublicKey is X || Y of a P-256 key.
func rawPublicKey(key *ecdsa.PublicKey) ([keyBytes]byte, error) {
	point, err := key.Bytes()
	if err != nil {
		return [keyBytes]byte{}, err
	}
	if len(point) != 1+keyBytes {
		return [keyBytes]byte{}, errors.New("not a P-256 key")
	}
	return [keyBytes]byte(point[1:]), nil // without the 4 of an uncompressed point
}

// signRaw signs the SHA-256 of msg: r || s. With keys of other curves (forged
// platforms) the low 32 bytes of each are kept; no verifier gets that far.
func signRaw(key *ecdsa.PrivateKey, msg []byte) ([keyBytes]byte, error) {
	digest := sha256.Sum256(msg)
	der, err := key.Sign(nil, digest[:], crypto.SHA256) // nil: RFC 6979
	if err != nil {
		return [keyBytes]byte{}, err
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return [keyBytes]byte{}, err
	}
	low := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), keyBytes*4), big.NewInt(1))
	var out [keyBytes]byte
	sig.R.And(sig.R, low).FillBytes(out[:keyBytes/2])
	sig.S.And(sig.S, low).FillBytes(out[keyBytes/2:])
	return out, nil
}

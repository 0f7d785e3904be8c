package quote

import (
	"encoding/binary"
	"fmt"
)

// Values of the header fields that this package accepts.
const (
	// Version3 is the only supported quote version.
	Version3 = 3
	// KeyTypeP256 is the attestation key type ECDSA-256-with-P-256.
	KeyTypeP256 = 2
	// CertTypePCKChain is certification data made of a PEM chain; the other
	// types (1-3 PPID, 4 PCK leaf only) need a service to be resolved.
	CertTypePCKChain = 5
)

// Sizes and limits of the format.
const (
	// MaxQuoteBytes bounds a quote with its trailing zeros. Real ones have
	// about 5,000 bytes; cloud providers pad them to at most 8 KiB.
	MaxQuoteBytes = 16 << 10

	headerBytes    = 48
	signedBytes    = headerBytes + ReportBytes // what the attestation key signs
	sigLenBytes    = 4                         // u32 length of the signature data
	keyBytes       = 64                        // P-256: X || Y, or r || s
	minSigData     = 3*keyBytes + ReportBytes + 2 + certHeadBytes
	certHeadBytes  = 6 // u16 type, u32 size
	vendorBytes    = 16
	userDataBytes  = 20
	offVendor      = 12
	offUserData    = offVendor + vendorBytes
	remedyNotQuote = "the peer sent something else than an SGX quote of version 3: check the enclave's platform"
)

// RawQuote is a quote as received: nothing about it is known yet.
type RawQuote []byte

// Quote is a quote that is well-formed: a DCAP version 3 SGX quote with a PEM
// chain. Nothing in it is authenticated; see Policy.Verify.
type Quote struct {
	// Version, KeyType and TEE are Version3, KeyTypeP256 and 0 (SGX).
	Version, KeyType uint16
	TEE              uint32
	// QESVN and PCESVN are the security versions of Intel's two enclaves.
	QESVN, PCESVN uint16
	// Vendor identifies the quoting enclave's maker (IntelQEVendor).
	Vendor [vendorBytes]byte
	// UserData is free for the quoting enclave.
	UserData [userDataBytes]byte
	// Body is the report of the enclave that the quote is about.
	Body Report
	// Signature (r || s) is made by AttestationKey (X || Y) over header and Body.
	Signature, AttestationKey [keyBytes]byte
	// QEReport is the quoting enclave's report, signed by the PCK key.
	QEReport    Report
	QESignature [keyBytes]byte
	// QEAuth is bound, with AttestationKey, by the report data of QEReport.
	QEAuth []byte
	// CertType is CertTypePCKChain, CertData the chain in PEM.
	CertType uint16
	CertData []byte
}

// IntelQEVendor is the vendor id of Intel's quoting enclave, the only maker of
// quotes in this format (DCAP API, appendix A.4).
func IntelQEVendor() [16]byte {
	return [16]byte{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07}
}

// ParseQuote reads a quote. Zeros may follow the signed length (cloud providers
// pad quotes); any other trailing byte, any length that does not fit exactly, any
// other version, TEE, key type or certification data is a *Refusal. The Quote has
// its own memory.
func ParseQuote(raw RawQuote) (Quote, error) {
	var q Quote
	if r := q.parse(raw); r != nil {
		return Quote{}, r
	}
	return q, nil
}

// AppendBinary appends the quote in the format ParseQuote reads.
func (q *Quote) AppendBinary(dst []byte) []byte {
	dst = q.appendSigned(dst)
	size := minSigData + len(q.QEAuth) + len(q.CertData)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(size))
	dst = append(dst, q.Signature[:]...)
	dst = append(dst, q.AttestationKey[:]...)
	dst = append(dst, q.QEReport[:]...)
	dst = append(dst, q.QESignature[:]...)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(q.QEAuth)))
	dst = append(dst, q.QEAuth...)
	dst = binary.LittleEndian.AppendUint16(dst, q.CertType)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(q.CertData)))
	return append(dst, q.CertData...)
}

// SignedBytes returns header and body: what Signature covers.
func (q *Quote) SignedBytes() []byte {
	return q.appendSigned(make([]byte, 0, signedBytes))
}

func (q *Quote) appendSigned(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, q.Version)
	dst = binary.LittleEndian.AppendUint16(dst, q.KeyType)
	dst = binary.LittleEndian.AppendUint32(dst, q.TEE)
	dst = binary.LittleEndian.AppendUint16(dst, q.QESVN)
	dst = binary.LittleEndian.AppendUint16(dst, q.PCESVN)
	dst = append(dst, q.Vendor[:]...)
	dst = append(dst, q.UserData[:]...)
	return append(dst, q.Body[:]...)
}

func (q *Quote) parse(raw []byte) *Refusal {
	if len(raw) > MaxQuoteBytes {
		return malformed("%d bytes, more than %d", len(raw), MaxQuoteBytes)
	}
	if r := q.parseHeader(raw); r != nil {
		return r
	}
	if len(raw) < signedBytes+sigLenBytes {
		return malformed("it ends within the body")
	}
	q.Body = Report(raw[headerBytes:])
	size := binary.LittleEndian.Uint32(raw[signedBytes:])
	rest := raw[signedBytes+sigLenBytes:]
	if uint64(size) > uint64(len(rest)) {
		return malformed("signature data of %d bytes, %d present", size, len(rest))
	}
	for _, b := range rest[size:] {
		if b != 0 {
			return malformed("bytes other than zeros after its end")
		}
	}
	return q.parseSignature(rest[:size])
}

func (q *Quote) parseHeader(raw []byte) *Refusal {
	if len(raw) < headerBytes {
		return malformed("it ends within the header")
	}
	le := binary.LittleEndian
	q.Version, q.KeyType, q.TEE = le.Uint16(raw), le.Uint16(raw[2:]), le.Uint32(raw[4:])
	q.QESVN, q.PCESVN = le.Uint16(raw[8:]), le.Uint16(raw[10:])
	q.Vendor = [vendorBytes]byte(raw[offVendor:])
	q.UserData = [userDataBytes]byte(raw[offUserData:])
	if q.Version != Version3 || q.KeyType != KeyTypeP256 || q.TEE != 0 || q.Vendor != IntelQEVendor() {
		return &Refusal{
			Check:  CheckVersion,
			Reason: fmt.Sprintf("quote version %d, key type %d, TEE %#x, vendor %x", q.Version, q.KeyType, q.TEE, q.Vendor),
			Remedy: "only SGX quotes of version 3 with an ECDSA-P256 key of Intel's quoting enclave are supported",
		}
	}
	return nil
}

// parseSignature reads the signature data; b is exactly its signed length.
func (q *Quote) parseSignature(b []byte) *Refusal {
	if len(b) < minSigData {
		return malformed("signature data of %d bytes, at least %d needed", len(b), minSigData)
	}
	b = take(b, q.Signature[:])
	b = take(b, q.AttestationKey[:])
	b = take(b, q.QEReport[:])
	b = take(b, q.QESignature[:])
	auth := int(binary.LittleEndian.Uint16(b))
	b = b[2:]
	if auth > len(b)-certHeadBytes {
		return malformed("QE authentication data of %d bytes does not fit", auth)
	}
	q.QEAuth = append([]byte(nil), b[:auth]...)
	b = b[auth:]
	q.CertType = binary.LittleEndian.Uint16(b)
	size := binary.LittleEndian.Uint32(b[2:])
	b = b[certHeadBytes:]
	if uint64(size) != uint64(len(b)) {
		return malformed("certification data of %d bytes, %d present", size, len(b))
	}
	if q.CertType != CertTypePCKChain {
		return &Refusal{
			Check:  CheckCertType,
			Reason: fmt.Sprintf("certification data of type %d, not a certificate chain", q.CertType),
			Remedy: "let the platform's quote provider fetch the PCK certificate, so that quotes carry the chain (type 5)",
		}
	}
	q.CertData = append([]byte(nil), b...)
	return nil
}

// take fills dst from the front of b, which the caller has found long enough.
func take(b, dst []byte) []byte {
	return b[copy(dst, b):]
}

func malformed(format string, args ...any) *Refusal {
	return &Refusal{Check: CheckFormat, Reason: "not a quote: " + fmt.Sprintf(format, args...), Remedy: remedyNotQuote}
}

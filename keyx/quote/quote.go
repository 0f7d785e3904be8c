package quote

import (
	"encoding/binary"
	"fmt"
)

// Values of the header fields that this package accepts.
const (
	// Version3 is the version of SGX quotes, without a choice of body.
	Version3 = 3
	// Version4 has the body that the TEE type says, and nested certification data.
	Version4 = 4
	// Version5 describes its body: type and size stand before it.
	Version5 = 5
	// TEETypeSGX and TEETypeTDX are the header's TEE types.
	TEETypeSGX = 0
	TEETypeTDX = 0x81
	// KeyTypeP256 is the attestation key type ECDSA-256-with-P-256.
	KeyTypeP256 = 2
	// CertTypePCKChain is certification data made of a PEM chain; the other
	// types (1-3 PPID, 4 PCK leaf only) need a service to be resolved.
	CertTypePCKChain = 5
	// certTypeQEReport is the outer certification data of versions 4 and 5: the
	// quoting enclave's report and signature, and the inner certification data.
	certTypeQEReport = 6
)

// Body types of version 5 (Intel TDX DCAP quoting library API, "TD Quote
// Format"), used for the other versions too.
const (
	// BodySGX is an SGX enclave report, 384 bytes.
	BodySGX = 1
	// BodyTDX10 is a TD report of TDX 1.0, 584 bytes.
	BodyTDX10 = 2
	// BodyTDX15 is a TD report of TDX 1.5, 648 bytes.
	BodyTDX15 = 3
)

// Sizes and limits of the format.
const (
	// MaxQuoteBytes bounds a quote with its trailing zeros. Real ones have
	// about 5,000 bytes; cloud providers pad them to at most 8 KiB.
	MaxQuoteBytes = 16 << 10

	headerBytes     = 48
	descriptorBytes = 6  // version 5: u16 body type, u32 size
	sigLenBytes     = 4  // u32 length of the signature data
	keyBytes        = 64 // P-256: X || Y, or r || s
	certHeadBytes   = 6  // u16 type, u32 size
	minQEData       = ReportBytes + keyBytes + 2 + certHeadBytes
	vendorBytes     = 16
	userDataBytes   = 20
	offReserved     = 8
	offVendor       = 12
	offUserData     = offVendor + vendorBytes
	remedyCutQuote  = "it begins as one, and is cut short, padded or altered: take it anew, byte for byte"
	remedyNotQuote  = "the peer sent something else than an SGX or TDX quote, or an SEV-SNP report: check the enclave's platform"
)

// RawQuote is a quote as received: nothing about it is known yet.
type RawQuote []byte

// Quote is a quote that is well-formed: a DCAP quote of version 3 (SGX), 4 or 5
// (SGX or TDX) with a PEM chain. Nothing in it is authenticated; see Policy.Verify.
type Quote struct {
	// Version is 3, 4 or 5, KeyType KeyTypeP256.
	Version, KeyType uint16
	// TEE is TEETypeSGX or TEETypeTDX.
	TEE uint32
	// Reserved has, in version 3, the security versions of Intel's two enclaves.
	Reserved [4]byte
	// Vendor identifies the quoting enclave's maker (IntelQEVendor).
	Vendor [vendorBytes]byte
	// UserData is free for the quoting enclave.
	UserData [userDataBytes]byte
	// BodyType is BodySGX, BodyTDX10 or BodyTDX15; only version 5 carries it.
	BodyType uint16
	// Body is the report of the enclave or TD that the quote is about.
	Body []byte
	// Signature (r || s) is made by AttestationKey (X || Y) over SignedBytes.
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

// Kind tells apart by its first bytes what raw may be: "DCAP quote", "SEV-SNP
// report", or nothing this package knows ("").
func Kind(raw []byte) string {
	if len(raw) < headerBytes {
		return ""
	}
	le := binary.LittleEndian
	version, keyType, tee := le.Uint16(raw), le.Uint16(raw[2:]), le.Uint32(raw[4:])
	if version >= Version3 && version <= Version5 && keyType == KeyTypeP256 && (tee == TEETypeSGX || tee == TEETypeTDX) {
		return "DCAP quote"
	}
	if isSNP(raw) {
		return "SEV-SNP report"
	}
	return ""
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
	le := binary.LittleEndian
	dst = q.appendSigned(dst)
	inner := minQEData + len(q.QEAuth) + len(q.CertData)
	size := 2*keyBytes + inner
	if q.Version != Version3 {
		size += certHeadBytes
	}
	dst = le.AppendUint32(dst, uint32(size))
	dst = append(dst, q.Signature[:]...)
	dst = append(dst, q.AttestationKey[:]...)
	if q.Version != Version3 {
		dst = le.AppendUint16(dst, certTypeQEReport)
		dst = le.AppendUint32(dst, uint32(inner))
	}
	dst = append(dst, q.QEReport[:]...)
	dst = append(dst, q.QESignature[:]...)
	dst = le.AppendUint16(dst, uint16(len(q.QEAuth)))
	dst = append(dst, q.QEAuth...)
	dst = le.AppendUint16(dst, q.CertType)
	dst = le.AppendUint32(dst, uint32(len(q.CertData)))
	return append(dst, q.CertData...)
}

// SignedBytes returns header, body descriptor (version 5) and body: what
// Signature covers.
func (q *Quote) SignedBytes() []byte {
	return q.appendSigned(make([]byte, 0, headerBytes+descriptorBytes+len(q.Body)))
}

func (q *Quote) appendSigned(dst []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint16(dst, q.Version)
	dst = le.AppendUint16(dst, q.KeyType)
	dst = le.AppendUint32(dst, q.TEE)
	dst = append(dst, q.Reserved[:]...)
	dst = append(dst, q.Vendor[:]...)
	dst = append(dst, q.UserData[:]...)
	if q.Version == Version5 {
		dst = le.AppendUint16(dst, q.BodyType)
		dst = le.AppendUint32(dst, uint32(len(q.Body)))
	}
	return append(dst, q.Body...)
}

func (q *Quote) parse(raw []byte) *Refusal {
	if len(raw) > MaxQuoteBytes {
		return malformed("%d bytes, more than %d", len(raw), MaxQuoteBytes)
	}
	if r := q.parseHeader(raw); r != nil {
		return r
	}
	rest, r := q.parseBody(raw[headerBytes:])
	if r != nil {
		return r
	}
	size := binary.LittleEndian.Uint32(rest)
	rest = rest[sigLenBytes:]
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
	q.Reserved = [4]byte(raw[offReserved:])
	q.Vendor = [vendorBytes]byte(raw[offVendor:])
	q.UserData = [userDataBytes]byte(raw[offUserData:])
	known := q.Version == Version3 && q.TEE == TEETypeSGX ||
		(q.Version == Version4 || q.Version == Version5) && (q.TEE == TEETypeSGX || q.TEE == TEETypeTDX)
	if !known || q.KeyType != KeyTypeP256 || q.Vendor != IntelQEVendor() {
		return &Refusal{
			Check:  CheckVersion,
			Reason: fmt.Sprintf("quote version %d, key type %d, TEE %#x, vendor %x", q.Version, q.KeyType, q.TEE, q.Vendor),
			Remedy: "supported are SGX quotes of versions 3 to 5 and TDX quotes of versions 4 and 5, with an ECDSA-P256 key of Intel's quoting enclave",
		}
	}
	return nil
}

// parseBody reads the body, in version 5 with its descriptor, and returns what
// follows: at least the length of the signature data.
func (q *Quote) parseBody(b []byte) ([]byte, *Refusal) {
	q.BodyType = BodySGX
	if q.TEE == TEETypeTDX {
		q.BodyType = BodyTDX10
	}
	if q.Version == Version5 {
		if len(b) < descriptorBytes {
			return nil, malformed("it ends within the body's descriptor")
		}
		q.BodyType = binary.LittleEndian.Uint16(b)
		size := binary.LittleEndian.Uint32(b[2:])
		b = b[descriptorBytes:]
		if want := bodyBytes(q.TEE, q.BodyType); want == 0 || uint64(size) != uint64(want) {
			return nil, malformed("body of type %d with %d bytes under TEE type %#x", q.BodyType, size, q.TEE)
		}
	}
	size := bodyBytes(q.TEE, q.BodyType)
	if len(b) < size+sigLenBytes {
		return nil, malformed("it ends within the body")
	}
	q.Body = append([]byte(nil), b[:size]...)
	return b[size:], nil
}

// bodyBytes is the size of a body, 0 for a type that the TEE does not have.
func bodyBytes(tee uint32, bodyType uint16) int {
	switch {
	case tee == TEETypeSGX && bodyType == BodySGX:
		return ReportBytes
	case tee == TEETypeTDX && bodyType == BodyTDX10:
		return TDReportBytes
	case tee == TEETypeTDX && bodyType == BodyTDX15:
		return TDReport15Bytes
	}
	return 0
}

// parseSignature reads the signature data; b is exactly its signed length.
func (q *Quote) parseSignature(b []byte) *Refusal {
	if len(b) < 2*keyBytes+certHeadBytes {
		return malformed("signature data of %d bytes", len(b))
	}
	b = take(b, q.Signature[:])
	b = take(b, q.AttestationKey[:])
	if q.Version != Version3 {
		outer, size := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint32(b[2:])
		b = b[certHeadBytes:]
		if outer != certTypeQEReport || uint64(size) != uint64(len(b)) {
			return malformed("certification data of type %d and %d bytes, %d present", outer, size, len(b))
		}
	}
	if len(b) < minQEData {
		return malformed("quoting enclave's data of %d bytes, at least %d needed", len(b), minQEData)
	}
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
	q.CertData = append([]byte(nil), b...)
	if q.CertType != CertTypePCKChain {
		return &Refusal{
			Check:  CheckCertType,
			Reason: fmt.Sprintf("certification data of type %d, not a certificate chain", q.CertType),
			Remedy: "let the platform's quote provider fetch the PCK certificate, so that quotes carry the chain (type 5)",
		}
	}
	return nil
}

// take fills dst from the front of b, which the caller has found long enough.
func take(b, dst []byte) []byte {
	return b[copy(dst, b):]
}

func malformed(format string, args ...any) *Refusal {
	return &Refusal{Check: CheckFormat, Reason: "not a quote: " + fmt.Sprintf(format, args...), Remedy: remedyNotQuote}
}

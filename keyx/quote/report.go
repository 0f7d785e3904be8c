package quote

import (
	"encoding/binary"
)

// ReportBytes is the size of an SGX enclave report body (Intel SDM vol. 3D,
// table "Layout of REPORT", without key id and MAC).
const ReportBytes = 384

// Offsets of a report body, little endian throughout.
const (
	offCPUSVN      = 0   // 16 bytes
	offMiscSelect  = 16  // u32, then 12 reserved
	offAttributes  = 48  // u64 flags
	offXFRM        = 56  // u64
	offMeasurement = 64  // 32 bytes, then 32 reserved
	offSigner      = 128 // 32 bytes, then 32 reserved
	offProductID   = 256 // u16
	offSVN         = 258 // u16
	offReportData  = 320 // 64 bytes
)

// Bits of Report.Attributes (Intel SDM vol. 3D, "ATTRIBUTES Structure").
const (
	// AttributeInit: the enclave is initialised.
	AttributeInit = 1 << 0
	// AttributeDebug: a debugger reads and writes the enclave's memory.
	AttributeDebug = 1 << 1
	// AttributeMode64: a 64-bit enclave.
	AttributeMode64 = 1 << 2
	// AttributeProvisionKey: the enclave may use the provisioning key; the
	// quoting enclave has it.
	AttributeProvisionKey = 1 << 4
)

// Report is an SGX enclave report body as signed, byte for byte.
type Report [ReportBytes]byte

// ReportFields are the parts of a report that this project sets or reads.
type ReportFields struct {
	CPUSVN              [16]byte
	MiscSelect          uint32
	Attributes, XFRM    uint64
	Measurement, Signer [32]byte
	ProductID, SVN      uint16
	ReportData          [64]byte
}

// NewReport lays out a report; all other bytes are zero.
func NewReport(f ReportFields) Report {
	var r Report
	copy(r[offCPUSVN:], f.CPUSVN[:])
	binary.LittleEndian.PutUint32(r[offMiscSelect:], f.MiscSelect)
	binary.LittleEndian.PutUint64(r[offAttributes:], f.Attributes)
	binary.LittleEndian.PutUint64(r[offXFRM:], f.XFRM)
	copy(r[offMeasurement:], f.Measurement[:])
	copy(r[offSigner:], f.Signer[:])
	binary.LittleEndian.PutUint16(r[offProductID:], f.ProductID)
	binary.LittleEndian.PutUint16(r[offSVN:], f.SVN)
	copy(r[offReportData:], f.ReportData[:])
	return r
}

// Fields returns the named parts of the report.
func (r *Report) Fields() ReportFields {
	return ReportFields{
		CPUSVN:      [16]byte(r[offCPUSVN:]),
		MiscSelect:  binary.LittleEndian.Uint32(r[offMiscSelect:]),
		Attributes:  binary.LittleEndian.Uint64(r[offAttributes:]),
		XFRM:        binary.LittleEndian.Uint64(r[offXFRM:]),
		Measurement: [32]byte(r[offMeasurement:]),
		Signer:      [32]byte(r[offSigner:]),
		ProductID:   binary.LittleEndian.Uint16(r[offProductID:]),
		SVN:         binary.LittleEndian.Uint16(r[offSVN:]),
		ReportData:  [64]byte(r[offReportData:]),
	}
}

// Bytes returns a copy of the report: the body of a quote.
func (r Report) Bytes() []byte { return r[:] }

// Debug tells whether the report is of a debug enclave.
func (r *Report) Debug() bool {
	return binary.LittleEndian.Uint64(r[offAttributes:])&AttributeDebug != 0
}

package quote

import "encoding/binary"

// Sizes of TD reports (Intel TDX module ABI, TDREPORT_STRUCT as quoted).
const (
	// TDReportBytes is a TD report of TDX 1.0.
	TDReportBytes = 584
	// TDReport15Bytes is one of TDX 1.5.
	TDReport15Bytes = 648

	// TDHashBytes is the size of every measurement in it (SHA-384).
	TDHashBytes = 48
	// RTMRs is the number of run-time measurement registers.
	RTMRs = 4
)

// Offsets of a TD report. TDX 1.5 adds TEE_TCB_SVN2 at 584 and MRSERVICETD at 600.
const (
	offTEETCBSVN      = 0
	offMRSEAM         = 16
	offMRSignerSEAM   = 64
	offSEAMAttributes = 112
	offTDAttributes   = 120
	offXFAM           = 128
	offMRTD           = 136
	offMRConfigID     = 184
	offMROwner        = 232
	offMROwnerConfig  = 280
	offRTMR           = 328
	offTDReportData   = 520
)

// tdUntrusted are the bits of TDATTRIBUTES' group TUD ("TD under debug"): bit 0 is
// DEBUG, the others are reserved for more of its kind.
const tdUntrusted = 0xff

// tdMigratable is the bit of TDATTRIBUTES that lets a service TD move the TD's memory
// to another machine (TDX 1.5).
const tdMigratable = 1 << 29

// TDReport is what this package reads and writes of a TD report.
type TDReport struct {
	// TEETCBSVN are the TDX module's security versions: [0] its own, [1] its
	// major version, the others as the TDX components of the TCB info.
	TEETCBSVN [16]byte
	// MRSEAM and MRSignerSEAM identify the TDX module and its signer (zeros:
	// Intel).
	MRSEAM, MRSignerSEAM [TDHashBytes]byte
	// SEAMAttributes are the module's, Attributes the TD's.
	SEAMAttributes, Attributes, XFAM uint64
	// MRTD measures the TD's initial memory: its firmware.
	MRTD [TDHashBytes]byte
	// MRConfigID, MROwner and MROwnerConfig are the host's, set at creation.
	MRConfigID, MROwner, MROwnerConfig [TDHashBytes]byte
	// RTMR measures what the firmware started: 0 its configuration, 1 and 2 the
	// loader, kernel and command line, 3 the application's own.
	RTMR [RTMRs][TDHashBytes]byte
	// ReportData is the TD's to choose.
	ReportData [64]byte
}

// Debug tells whether the host may debug the TD.
func (r *TDReport) Debug() bool { return r.Attributes&tdUntrusted != 0 }

// Migratable tells whether a service TD may move the TD's memory elsewhere.
func (r *TDReport) Migratable() bool { return r.Attributes&tdMigratable != 0 }

// ParseTDReport reads a body of BodyTDX10 or BodyTDX15; it panics on a shorter one.
func ParseTDReport(b []byte) TDReport {
	_ = b[TDReportBytes-1]
	le := binary.LittleEndian
	r := TDReport{
		TEETCBSVN: [16]byte(b[offTEETCBSVN:]), MRSEAM: [TDHashBytes]byte(b[offMRSEAM:]), MRSignerSEAM: [TDHashBytes]byte(b[offMRSignerSEAM:]),
		SEAMAttributes: le.Uint64(b[offSEAMAttributes:]), Attributes: le.Uint64(b[offTDAttributes:]), XFAM: le.Uint64(b[offXFAM:]),
		MRTD: [TDHashBytes]byte(b[offMRTD:]), MRConfigID: [TDHashBytes]byte(b[offMRConfigID:]),
		MROwner: [TDHashBytes]byte(b[offMROwner:]), MROwnerConfig: [TDHashBytes]byte(b[offMROwnerConfig:]),
		ReportData: [64]byte(b[offTDReportData:]),
	}
	for i := range r.RTMR {
		r.RTMR[i] = [TDHashBytes]byte(b[offRTMR+i*TDHashBytes:])
	}
	return r
}

// Body lays the report out as a body of the type; what it does not name is zero.
func (r *TDReport) Body(bodyType uint16) []byte {
	b := make([]byte, bodyBytes(TEETypeTDX, bodyType))
	le := binary.LittleEndian
	copy(b[offTEETCBSVN:], r.TEETCBSVN[:])
	copy(b[offMRSEAM:], r.MRSEAM[:])
	copy(b[offMRSignerSEAM:], r.MRSignerSEAM[:])
	le.PutUint64(b[offSEAMAttributes:], r.SEAMAttributes)
	le.PutUint64(b[offTDAttributes:], r.Attributes)
	le.PutUint64(b[offXFAM:], r.XFAM)
	copy(b[offMRTD:], r.MRTD[:])
	copy(b[offMRConfigID:], r.MRConfigID[:])
	copy(b[offMROwner:], r.MROwner[:])
	copy(b[offMROwnerConfig:], r.MROwnerConfig[:])
	for i := range r.RTMR {
		copy(b[offRTMR+i*TDHashBytes:], r.RTMR[i][:])
	}
	copy(b[offTDReportData:], r.ReportData[:])
	return b
}

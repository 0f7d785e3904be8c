#include "textflag.h"

// 64 zero bytes, then 64 of 0xff: 64 bytes read from 64-n mark the lanes from n
// on as outside before any row is looked at.
DATA scanOutside<>+0x00(SB)/8, $0
DATA scanOutside<>+0x08(SB)/8, $0
DATA scanOutside<>+0x10(SB)/8, $0
DATA scanOutside<>+0x18(SB)/8, $0
DATA scanOutside<>+0x20(SB)/8, $0
DATA scanOutside<>+0x28(SB)/8, $0
DATA scanOutside<>+0x30(SB)/8, $0
DATA scanOutside<>+0x38(SB)/8, $0
DATA scanOutside<>+0x40(SB)/8, $0xffffffffffffffff
DATA scanOutside<>+0x48(SB)/8, $0xffffffffffffffff
DATA scanOutside<>+0x50(SB)/8, $0xffffffffffffffff
DATA scanOutside<>+0x58(SB)/8, $0xffffffffffffffff
DATA scanOutside<>+0x60(SB)/8, $0xffffffffffffffff
DATA scanOutside<>+0x68(SB)/8, $0xffffffffffffffff
DATA scanOutside<>+0x70(SB)/8, $0xffffffffffffffff
DATA scanOutside<>+0x78(SB)/8, $0xffffffffffffffff
GLOBL scanOutside<>(SB), RODATA|NOPTR, $128

DATA scanSixteen<>+0x00(SB)/1, $16
GLOBL scanSixteen<>(SB), RODATA|NOPTR, $1

// AX row, BX n, CX rows left, DX 3n.
// Y15 slots 0..15 twice, Y14 the same xor slots 16..31, Y13 sixteens, Y12 zeros.
// Y8, Y9 lanes outside (not 0) in some row, Y10, Y11 lanes at an end (0xff).

// CELLS turns the slots in s into cells, with t to spare. A shuffle uses the low
// four bits of a slot unless bit 7 is set; less 16 that bit is set for the slots
// below 16 alone, so the second shuffle exchanges the cell of the others only.
#define CELLS(s, t) \
	VPSHUFB s, Y15, t;  \
	VPSUBB  Y13, s, s;  \
	VPSHUFB s, Y14, s;  \
	VPXOR   t, s, s

// ENDS compares the cells c with the lows in l and the highs in h: a saturating
// difference is not 0 exactly when the cell is outside that end.
#define ENDS(c, l, h, t, outside, touch) \
	VPCMPEQB l, c, t;             \
	VPSUBUSB c, l, l;             \
	VPOR     t, touch, touch;     \
	VPOR     l, outside, outside; \
	VPCMPEQB h, c, t;             \
	VPSUBUSB h, c, h;             \
	VPOR     t, touch, touch;     \
	VPOR     h, outside, outside

// func scanAVX2(rows *byte, n, r int, cells *[32]byte) (maybe, sure uint64)
TEXT ·scanAVX2(SB), NOSPLIT, $0-48
	MOVQ rows+0(FP), AX
	MOVQ n+8(FP), BX
	MOVQ r+16(FP), CX
	MOVQ cells+24(FP), SI

	LEAQ    scanOutside<>+64(SB), DI
	SUBQ    BX, DI
	VMOVDQU (DI), Y8
	VPXOR   X12, X12, X12
	VPXOR   X10, X10, X10

	VBROADCASTI128 (SI), Y15
	VBROADCASTI128 16(SI), Y14
	VPXOR          Y15, Y14, Y14
	VPBROADCASTB   scanSixteen<>(SB), Y13
	LEAQ           (BX)(BX*2), DX

	CMPQ BX, $32
	JLE  half

	VMOVDQU 32(DI), Y9
	VPXOR   X11, X11, X11
	TESTQ   CX, CX
	JLE     fullend

	PCALIGN $32

full:
	VMOVDQU (AX), Y0
	VMOVDQU 32(AX), Y1
	CELLS(Y0, Y2)
	CELLS(Y1, Y3)
	VMOVDQU (AX)(BX*1), Y2
	VMOVDQU 32(AX)(BX*1), Y3
	VMOVDQU (AX)(BX*2), Y4
	VMOVDQU 32(AX)(BX*2), Y5
	ENDS(Y0, Y2, Y4, Y6, Y8, Y10)
	ENDS(Y1, Y3, Y5, Y7, Y9, Y11)

	DECQ CX
	JEQ  fullend

	// The smaller of the two halves is 0 somewhere while a lane is left.
	VPMINUB   Y8, Y9, Y0
	VPCMPEQB  Y12, Y0, Y0
	VPMOVMSKB Y0, R8
	ADDQ      DX, AX
	TESTL     R8, R8
	JNE       full
	JMP       none

fullend:
	VPCMPEQB  Y12, Y8, Y0
	VPCMPEQB  Y12, Y9, Y1
	VPMOVMSKB Y0, R8
	VPMOVMSKB Y1, R9
	VPMOVMSKB Y10, R10
	VPMOVMSKB Y11, R11
	VZEROUPPER
	SHLQ      $32, R9
	SHLQ      $32, R11
	ORQ       R9, R8
	ORQ       R11, R10
	NOTQ      R10
	ANDQ      R8, R10
	MOVQ      R8, maybe+32(FP)
	MOVQ      R10, sure+40(FP)
	RET

half:
	TESTQ CX, CX
	JLE   halfend

	PCALIGN $32

halfrow:
	VMOVDQU (AX), Y0
	CELLS(Y0, Y2)
	VMOVDQU (AX)(BX*1), Y2
	VMOVDQU (AX)(BX*2), Y4
	ENDS(Y0, Y2, Y4, Y6, Y8, Y10)

	DECQ CX
	JEQ  halfend

	VPCMPEQB  Y12, Y8, Y0
	VPMOVMSKB Y0, R8
	ADDQ      DX, AX
	TESTL     R8, R8
	JNE       halfrow
	JMP       none

halfend:
	VPCMPEQB  Y12, Y8, Y0
	VPMOVMSKB Y0, R8
	VPMOVMSKB Y10, R10
	VZEROUPPER
	NOTQ      R10
	ANDQ      R8, R10
	MOVQ      R8, maybe+32(FP)
	MOVQ      R10, sure+40(FP)
	RET

none:
	VZEROUPPER
	XORL R8, R8
	MOVQ R8, maybe+32(FP)
	MOVQ R8, sure+40(FP)
	RET

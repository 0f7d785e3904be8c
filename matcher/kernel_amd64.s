#include "go_asm.h"
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

// In scanRows: AX row, BX n, CX rows left, DX 3n.
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

// TABLES loads what scanRows looks cells up in, from the table at p.
#define TABLES(p) \
	VPXOR          X12, X12, X12;           \
	VBROADCASTI128 (p), Y15;                \
	VBROADCASTI128 16(p), Y14;              \
	VPXOR          Y15, Y14, Y14;           \
	VPBROADCASTB   scanSixteen<>(SB), Y13

// func scanAVX2(rows *byte, n, r int, cells *[32]byte) (maybe, sure uint64)
TEXT ·scanAVX2(SB), NOSPLIT, $0-48
	MOVQ cells+24(FP), AX
	TABLES(AX)
	MOVQ rows+0(FP), AX
	MOVQ n+8(FP), BX
	MOVQ r+16(FP), CX
	CALL scanRows<>(SB)
	VZEROUPPER
	MOVQ R8, maybe+32(FP)
	MOVQ R10, sure+40(FP)
	RET

// FETCH asks for the next block of the mask which, if any: its header and the
// rows of 64 lanes. refs is R12, the arena SI.
#define FETCH(which, t, u, done) \
	BSFQ       which, t;     \
	JEQ        done;         \
	LEAQ       -1(which), u; \
	ANDQ       u, which;     \
	MOVL       (R12)(t*4), t; \
	LEAQ       (SI)(t*8), t; \
	PREFETCHT0 (t);          \
	PREFETCHT0 64(t);        \
	PREFETCHT0 128(t);       \
	PREFETCHT0 192(t);       \
	PREFETCHT0 256(t);       \
	PREFETCHT0 320(t);       \
	PREFETCHT0 384(t);       \
	PREFETCHT0 448(t);       \
	PREFETCHT0 512(t)

// func scanBlocksAVX2(arena *byte, refs *uint32, which uint64, cells *[32]byte, hits *[64]hit) (n int)
//
// R13 blocks left, R14 blocks not asked for yet, DI block.
TEXT ·scanBlocksAVX2(SB), NOSPLIT, $0-48
	MOVQ arena+0(FP), SI
	MOVQ refs+8(FP), R12
	MOVQ which+16(FP), R13
	MOVQ cells+24(FP), AX
	TABLES(AX)
	MOVQ $0, n+40(FP)
	MOVQ R13, R14
	FETCH(R14, DX, AX, fetched1)

fetched1:
	FETCH(R14, DX, AX, fetched2)

fetched2:
	FETCH(R14, DX, AX, fetched3)

fetched3:
	FETCH(R14, DX, AX, fetched4)

fetched4:
next:
	BSFQ R13, DX
	JEQ  end
	LEAQ -1(R13), AX
	ANDQ AX, R13
	MOVL (R12)(DX*4), DI
	LEAQ (SI)(DI*8), DI
	FETCH(R14, DX, AX, fetched)

fetched:
	MOVL    8(DI), CX
	MOVL    CX, DX
	MOVBLZX CX, BX
	SHRL    $8, CX
	ANDL    $0xf, CX
	TESTL   $(const_blockUniform<<const_blockFlags), DX
	JEQ     rows
	MOVL    $1, BX

rows:
	LEAQ  (8*const_blockHead)(DI), AX
	CALL  scanRows<>(SB)
	TESTQ R8, R8
	JEQ   next

	MOVQ n+40(FP), AX
	LEAQ (AX)(AX*2), CX
	INCQ AX
	MOVQ AX, n+40(FP)
	MOVQ hits+32(FP), AX
	LEAQ (AX)(CX*8), AX
	MOVL 8(DI), CX
	MOVQ DI, DX
	SUBQ SI, DX
	SHRQ $3, DX
	MOVL DX, hit_ref(AX)
	MOVL CX, hit_head(AX)
	MOVQ R8, hit_maybe(AX)
	MOVQ R10, hit_sure(AX)

	// Ask for what is read of the lanes that survive: tags, and of those that
	// are not sure their halves.
	TESTL $(const_blockUniform<<const_blockFlags), CX
	JNE   next
	MOVL  CX, DX
	SHRL  $const_blockTags, CX
	LEAQ  (DI)(CX*8), DI
	NOTQ  R10
	ANDQ  R8, R10
	JEQ   tags
	SHRL  $8, DX
	ANDL  $0xf, DX
	LEAQ  (DI)(BX*8), R11

halves:
	BSFQ       R10, AX
	LEAQ       -1(R10), CX
	IMULQ      DX, AX
	PREFETCHT0 (R11)(AX*8)
	ANDQ       CX, R10
	JNE        halves

tags:
	BSFQ       R8, AX
	LEAQ       -1(R8), CX
	PREFETCHT0 (DI)(AX*8)
	ANDQ       CX, R8
	JNE        tags
	JMP        next

end:
	VZEROUPPER
	RET

// scanRows scans BX lanes of CX rows at AX: R8 maybe, R10 sure. It changes AX,
// CX, DX, R9, R11 and Y0 to Y11.
TEXT scanRows<>(SB), NOSPLIT|NOFRAME, $0-0
	LEAQ    scanOutside<>+64(SB), R9
	SUBQ    BX, R9
	VMOVDQU (R9), Y8
	VPXOR   X10, X10, X10
	LEAQ    (BX)(BX*2), DX

	CMPQ BX, $32
	JLE  half

	VMOVDQU 32(R9), Y9
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

	ADDQ DX, AX
	DECQ CX
	JNE  full

fullend:
	VPCMPEQB  Y12, Y8, Y0
	VPCMPEQB  Y12, Y9, Y1
	VPMOVMSKB Y0, R8
	VPMOVMSKB Y1, R9
	VPMOVMSKB Y10, R10
	VPMOVMSKB Y11, R11
	SHLQ      $32, R9
	SHLQ      $32, R11
	ORQ       R9, R8
	ORQ       R11, R10
	NOTQ      R10
	ANDQ      R8, R10
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

	ADDQ DX, AX
	DECQ CX
	JNE  halfrow

halfend:
	VPCMPEQB  Y12, Y8, Y0
	VPMOVMSKB Y0, R8
	VPMOVMSKB Y10, R10
	NOTQ      R10
	ANDQ      R8, R10
	RET

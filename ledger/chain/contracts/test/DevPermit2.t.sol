// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {DevPermit2} from "../src/DevPermit2.sol";
import {ISignatureTransfer} from "../src/ISignatureTransfer.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";
import {Wallet} from "./Wallet.sol";

/// Transfers with a witness of one word, made by the spender that the owner signed for.
contract DevPermit2Test is Fixture {
    uint256 private constant ORDER =
        0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    string private constant WITNESS_TYPE =
        "Note witness)Note(uint256 number)TokenPermissions(address token,uint256 amount)";

    DevPermit2 private permit2 = DevPermit2(PERMIT2);

    function setUp() public override {
        super.setUp();
        vm.prank(payer);
        token.approve(PERMIT2, MINTED);
    }

    function test_interfaceIsThatOfThePublishedContract() public view {
        vm.assertEq(
            bytes32(permit2.permitWitnessTransferFrom.selector), bytes32(bytes4(0x137c29fe))
        );
        vm.assertEq(bytes32(permit2.nonceBitmap.selector), bytes32(bytes4(0x4fe02b44)));
        vm.assertEq(
            bytes32(permit2.invalidateUnorderedNonces.selector), bytes32(bytes4(0x3ff9dcb1))
        );
        vm.assertEq(bytes32(permit2.DOMAIN_SEPARATOR.selector), bytes32(bytes4(0x3644e515)));
        vm.assertEq(
            permit2.DOMAIN_SEPARATOR(),
            keccak256(
                abi.encode(
                    keccak256(
                        "EIP712Domain(string name,uint256 chainId,address verifyingContract)"
                    ),
                    keccak256("Permit2"),
                    block.chainid,
                    PERMIT2
                )
            )
        );
    }

    function test_movesWhatWasAskedForUpToWhatIsPermitted() public {
        bytes memory signature = _signed(PAYER_KEY, 100, 1, NOON);
        _transfer(payer, 100, 60, 1, NOON, signature);
        vm.assertEq(token.balanceOf(receiver), 60);

        signature = _signed(PAYER_KEY, 100, 2, NOON);
        vm.prank(RELAYER);
        vm.expectRevert(
            abi.encodeWithSelector(ISignatureTransfer.InvalidAmount.selector, uint256(100))
        );
        _call(payer, 100, 101, 2, NOON, signature);
    }

    function test_deadlineIsTheLastMoment() public {
        bytes memory signature = _signed(PAYER_KEY, 1, 1, NOON);
        vm.warp(NOON + 1);
        vm.prank(RELAYER);
        vm.expectRevert(abi.encodeWithSelector(ISignatureTransfer.SignatureExpired.selector, NOON));
        _call(payer, 1, 1, 1, NOON, signature);
        vm.warp(NOON);
        _transfer(payer, 1, 1, 1, NOON, signature);
    }

    function testFuzz_nonceIsGoodOnceInAnyOrder(uint256 first, uint256 second) public {
        _transfer(payer, 1, 1, first, NOON, _signed(PAYER_KEY, 1, first, NOON));
        bytes memory signature = _signed(PAYER_KEY, 1, second, NOON);
        vm.prank(RELAYER);
        if (first == second) vm.expectRevert(ISignatureTransfer.InvalidNonce.selector);
        _call(payer, 1, 1, second, NOON, signature);
        signature = _signed(PAYER_KEY, 1, first, NOON);
        vm.prank(RELAYER);
        vm.expectRevert(ISignatureTransfer.InvalidNonce.selector);
        _call(payer, 1, 1, first, NOON, signature);
        vm.assertTrue(permit2.nonceBitmap(payer, first >> 8) & (1 << (first & 0xff)) != 0);
    }

    function test_ownerMakesNoncesVoid() public {
        vm.expectEmit(PERMIT2);
        emit ISignatureTransfer.UnorderedNonceInvalidation(payer, 1, 0x6);
        vm.prank(payer);
        permit2.invalidateUnorderedNonces(1, 0x6);
        bytes memory signature = _signed(PAYER_KEY, 1, 257, NOON);
        vm.prank(RELAYER);
        vm.expectRevert(ISignatureTransfer.InvalidNonce.selector);
        _call(payer, 1, 1, 257, NOON, signature);
        _transfer(payer, 1, 1, 256, NOON, _signed(PAYER_KEY, 1, 256, NOON));
    }

    function test_nothingThatWasSignedCanBeChanged() public {
        bytes memory signature = _signed(PAYER_KEY, 100, 1, NOON);
        _refused(payer, 101, 1, NOON, signature, ISignatureTransfer.InvalidSigner.selector);
        _refused(payer, 100, 2, NOON, signature, ISignatureTransfer.InvalidSigner.selector);
        _refused(payer, 100, 1, NOON + 1, signature, ISignatureTransfer.InvalidSigner.selector);
        _refused(stranger, 100, 1, NOON, signature, ISignatureTransfer.InvalidSigner.selector);
        vm.prank(stranger);
        vm.expectRevert(ISignatureTransfer.InvalidSigner.selector);
        _call(payer, 100, 100, 1, NOON, signature);
        _transfer(payer, 100, 100, 1, NOON, signature);
    }

    function test_takesTheShortFormAndEitherHalfOfTheOrder() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, _digest(1, 1, NOON));
        bytes memory short = abi.encodePacked(r, s | bytes32(uint256(v - 27) << 255));
        _transfer(payer, 1, 1, 1, NOON, short);
        (v, r, s) = vm.sign(PAYER_KEY, _digest(1, 2, NOON));
        bytes memory high = abi.encodePacked(r, bytes32(ORDER - uint256(s)), uint8(55 - v));
        _transfer(payer, 1, 1, 2, NOON, high);
        vm.assertEq(token.balanceOf(receiver), 2);
    }

    function test_refusesWhatIsNoSignature() public {
        bytes memory signature = new bytes(66);
        bytes4 length = ISignatureTransfer.InvalidSignatureLength.selector;
        _refused(payer, 1, 1, NOON, signature, length);
        _refused(payer, 1, 1, NOON, "", length);
        _refused(payer, 1, 1, NOON, new bytes(65), ISignatureTransfer.InvalidSignature.selector);
        bytes memory others = _signed(STRANGER_KEY, 1, 1, NOON);
        _refused(payer, 1, 1, NOON, others, ISignatureTransfer.InvalidSigner.selector);
    }

    function test_ownerWithCodeIsAsked() public {
        Wallet wallet = new Wallet(payer);
        vm.prank(payer);
        token.transfer(address(wallet), 100);
        wallet.approve(address(token), PERMIT2);
        _transfer(address(wallet), 100, 40, 1, NOON, _signed(PAYER_KEY, 100, 1, NOON));
        bytes4 reason = ISignatureTransfer.InvalidContractSignature.selector;
        _refused(address(wallet), 1, 2, NOON, _signed(STRANGER_KEY, 1, 2, NOON), reason);
        wallet.close();
        _refused(address(wallet), 1, 2, NOON, _signed(PAYER_KEY, 1, 2, NOON), reason);
        vm.assertEq(token.balanceOf(address(wallet)), 60);
    }

    function test_needsTheOwnersApproval() public {
        vm.prank(payer);
        token.approve(PERMIT2, 9);
        bytes memory signature = _signed(PAYER_KEY, 10, 1, NOON);
        vm.prank(RELAYER);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, PERMIT2, 9, 10)
        );
        _call(payer, 10, 10, 1, NOON, signature);
        // What reverted used nothing up.
        vm.prank(payer);
        token.approve(PERMIT2, 10);
        _transfer(payer, 10, 10, 1, NOON, signature);
    }

    function _transfer(
        address owner,
        uint256 permitted,
        uint256 requested,
        uint256 nonce,
        uint256 deadline,
        bytes memory signature
    ) private {
        vm.prank(RELAYER);
        _call(owner, permitted, requested, nonce, deadline, signature);
    }

    function _refused(
        address owner,
        uint256 permitted,
        uint256 nonce,
        uint256 deadline,
        bytes memory signature,
        bytes4 reason
    ) private {
        vm.prank(RELAYER);
        vm.expectRevert(reason);
        _call(owner, permitted, permitted, nonce, deadline, signature);
    }

    function _call(
        address owner,
        uint256 permitted,
        uint256 requested,
        uint256 nonce,
        uint256 deadline,
        bytes memory signature
    ) private {
        permit2.permitWitnessTransferFrom(
            ISignatureTransfer.PermitTransferFrom(
                ISignatureTransfer.TokenPermissions(address(token), permitted), nonce, deadline
            ),
            ISignatureTransfer.SignatureTransferDetails(receiver, requested),
            owner,
            _witness(),
            WITNESS_TYPE,
            signature
        );
    }

    function _signed(uint256 key, uint256 permitted, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes memory)
    {
        return sign(key, _digest(permitted, nonce, deadline));
    }

    function _digest(uint256 permitted, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes32)
    {
        bytes32 typeHash = keccak256(
            "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Note witness)Note(uint256 number)TokenPermissions(address token,uint256 amount)"
        );
        bytes32 tokenPermissions = keccak256(
            abi.encode(
                keccak256("TokenPermissions(address token,uint256 amount)"),
                address(token),
                permitted
            )
        );
        bytes32 structHash =
            keccak256(abi.encode(typeHash, tokenPermissions, RELAYER, nonce, deadline, _witness()));
        return keccak256(abi.encodePacked(hex"1901", permit2.DOMAIN_SEPARATOR(), structHash));
    }

    function _witness() private pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Note(uint256 number)"), uint256(7)));
    }
}

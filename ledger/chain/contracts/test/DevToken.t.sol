// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC3009, IERC3009Cancel} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {AuthorizationToken, DevToken} from "../src/DevToken.sol";
import {NamedToken} from "./Tokens.sol";
import {Scene} from "./Fixture.sol";
import {vm} from "./Vm.sol";
import {Wallet} from "./Wallet.sol";

contract DevTokenTest is Scene {
    uint256 private constant FOREVER = type(uint256).max;
    bytes32 private constant TRANSFER_TYPEHASH =
        0x7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267;
    bytes32 private constant RECEIVE_TYPEHASH =
        0xd099cc98ef71107a616c4f0f941f04c322d8e254fe26b3c6668db87aae413de8;
    bytes32 private constant PERMIT_TYPEHASH =
        0x6e71edae12b1b97f4d1f60370fef10105fa2faae0126114a169c64845d6126c9;
    bytes32 private constant CANCEL_TYPEHASH =
        keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");

    function setUp() public {
        prepare();
    }

    function test_namesItself() public view {
        vm.assertEq(token.name(), "USD Coin");
        vm.assertEq(token.symbol(), "USDC");
        vm.assertEq(token.version(), "2");
        vm.assertEq(token.decimals(), 6);
        bytes32 domainType = keccak256(
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        );
        vm.assertEq(
            token.DOMAIN_SEPARATOR(),
            keccak256(
                abi.encode(
                    domainType, keccak256("USD Coin"), keccak256("2"), block.chainid, address(token)
                )
            )
        );
    }

    function test_mintsToEveryRecipient() public {
        address[] memory holders = new address[](3);
        (holders[0], holders[1], holders[2]) = (payer, receiver, stranger);
        DevToken minted = new DevToken(holders, 7);
        vm.assertEq(minted.totalSupply(), 21);
        vm.assertEq(minted.balanceOf(stranger), 7);
    }

    function test_transfersByEitherFormOfSignature() public {
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(PAYER_KEY, _payment(TRANSFER_TYPEHASH, 10, 0, FOREVER, "a"));
        token.transferWithAuthorization(payer, receiver, 10, 0, FOREVER, "a", v, r, s);
        bytes memory signature = _signed(TRANSFER_TYPEHASH, 20, 0, FOREVER, "b");
        vm.expectEmit(address(token));
        emit IERC3009.AuthorizationUsed(payer, "b");
        token.transferWithAuthorization(payer, receiver, 20, 0, FOREVER, "b", signature);
        vm.assertEq(token.balanceOf(receiver), 30);
        vm.assertTrue(token.authorizationState(payer, "a") && token.authorizationState(payer, "b"));
        vm.assertTrue(!token.authorizationState(payer, "c"));
    }

    function test_onlyTheRecipientReceives() public {
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(PAYER_KEY, _payment(RECEIVE_TYPEHASH, 10, 0, FOREVER, "a"));
        bytes memory signature = abi.encodePacked(r, s, v);
        bytes memory refusal =
            abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, receiver);
        vm.expectRevert(refusal);
        token.receiveWithAuthorization(payer, receiver, 10, 0, FOREVER, "a", v, r, s);
        vm.expectRevert(refusal);
        token.receiveWithAuthorization(payer, receiver, 10, 0, FOREVER, "a", signature);

        vm.prank(receiver);
        token.receiveWithAuthorization(payer, receiver, 10, 0, FOREVER, "a", v, r, s);
        signature = _signed(RECEIVE_TYPEHASH, 10, 0, FOREVER, "b");
        vm.prank(receiver);
        token.receiveWithAuthorization(payer, receiver, 10, 0, FOREVER, "b", signature);
        vm.assertEq(token.balanceOf(receiver), 20);
    }

    function test_aTransferIsNotAReceipt() public {
        bytes memory signature = _signed(TRANSFER_TYPEHASH, 10, 0, FOREVER, "a");
        vm.prank(receiver);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        token.receiveWithAuthorization(payer, receiver, 10, 0, FOREVER, "a", signature);
    }

    function test_authorizationWorksOnce() public {
        bytes memory signature = _signed(TRANSFER_TYPEHASH, 10, 0, FOREVER, "a");
        token.transferWithAuthorization(payer, receiver, 10, 0, FOREVER, "a", signature);
        vm.expectRevert(
            abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, payer, bytes32("a"))
        );
        token.transferWithAuthorization(payer, receiver, 10, 0, FOREVER, "a", signature);
    }

    function test_authorizationWorksStrictlyBetweenItsTimes() public {
        bytes memory signature = _signed(TRANSFER_TYPEHASH, 10, NOON, NOON + 2, "a");
        bytes memory refusal = abi.encodeWithSelector(
            ERC3009.ERC3009InvalidAuthorizationTime.selector, NOON, NOON + 2
        );
        vm.expectRevert(refusal);
        token.transferWithAuthorization(payer, receiver, 10, NOON, NOON + 2, "a", signature);
        vm.warp(NOON + 2);
        vm.expectRevert(refusal);
        token.transferWithAuthorization(payer, receiver, 10, NOON, NOON + 2, "a", signature);
        vm.warp(NOON + 1);
        token.transferWithAuthorization(payer, receiver, 10, NOON, NOON + 2, "a", signature);
    }

    function test_cancelledAuthorizationIsUsedUp() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, _cancellation("a"));
        vm.expectEmit(address(token));
        emit IERC3009Cancel.AuthorizationCanceled(payer, "a");
        token.cancelAuthorization(payer, "a", v, r, s);
        token.cancelAuthorization(payer, "b", sign(PAYER_KEY, _cancellation("b")));
        bytes memory signature = _signed(TRANSFER_TYPEHASH, 10, 0, FOREVER, "b");
        vm.expectRevert(
            abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, payer, bytes32("b"))
        );
        token.transferWithAuthorization(payer, receiver, 10, 0, FOREVER, "b", signature);
    }

    function test_smartWalletAuthorizesByBytes() public {
        Wallet wallet = new Wallet(stranger);
        vm.prank(payer);
        token.transfer(address(wallet), 10);
        bytes32 structHash = keccak256(
            abi.encode(TRANSFER_TYPEHASH, wallet, receiver, 10, 0, FOREVER, bytes32("a"))
        );
        bytes memory signature = sign(STRANGER_KEY, _digest(structHash));
        token.transferWithAuthorization(address(wallet), receiver, 10, 0, FOREVER, "a", signature);
        vm.assertEq(token.balanceOf(receiver), 10);
    }

    function test_permitsOnceBeforeTheDeadline() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, _permit(NOON));
        token.permit(payer, receiver, 10, NOON, v, r, s);
        vm.assertEq(token.allowance(payer, receiver), 10);
        vm.assertEq(token.nonces(payer), 1);

        address other = address(uint160(uint256(keccak256("not a signer"))));
        (bool repeated,) = address(token)
            .call(abi.encodeCall(AuthorizationToken.permit, (payer, receiver, 10, NOON, v, r, s)));
        vm.assertTrue(!repeated);
        (bool borrowed,) = address(token)
            .call(abi.encodeCall(AuthorizationToken.permit, (other, receiver, 10, NOON, v, r, s)));
        vm.assertTrue(!borrowed);
        vm.warp(NOON + 1);
        vm.expectRevert(
            abi.encodeWithSelector(AuthorizationToken.ERC2612ExpiredSignature.selector, NOON)
        );
        token.permit(payer, receiver, 10, NOON, v, r, s);
    }

    function _signed(
        bytes32 typeHash,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) private view returns (bytes memory) {
        return sign(PAYER_KEY, _payment(typeHash, value, validAfter, validBefore, nonce));
    }

    function _payment(
        bytes32 typeHash,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) private view returns (bytes32) {
        return _digest(
            keccak256(abi.encode(typeHash, payer, receiver, value, validAfter, validBefore, nonce))
        );
    }

    function _permit(uint256 deadline) private view returns (bytes32) {
        return _digest(
            keccak256(
                abi.encode(PERMIT_TYPEHASH, payer, receiver, 10, token.nonces(payer), deadline)
            )
        );
    }

    function _cancellation(bytes32 nonce) private view returns (bytes32) {
        return _digest(keccak256(abi.encode(CANCEL_TYPEHASH, payer, nonce)));
    }

    function _digest(bytes32 structHash) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash));
    }
}

/// Signatures made by an independent library for a token of version 1 on a development chain.
contract TokenVectorsTest is Scene {
    address private constant TOKEN = 0x5FbDB2315678afecb367f032d93F642f64180aa3;
    address private constant FROM = 0x70997970C51812dc3A010C7d01b50e0d17dc79C8;
    address private constant TO = 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC;
    uint256 private constant VALID_BEFORE = 4_102_444_800;
    bytes32 private constant NONCE =
        0x9c6230254ac733f54ec47298f0a5ddaf93dc9efe6e05fb726dcb6faf10ddece2;

    NamedToken private vectorToken = NamedToken(TOKEN);

    function setUp() public {
        vm.warp(NOON);
        vm.chainId(31337);
        deployAt(
            TOKEN,
            abi.encodePacked(
                type(NamedToken).creationCode, abi.encode("USD Coin", "1", FROM, 10_000)
            )
        );
    }

    function test_domain() public view {
        vm.assertEq(
            vectorToken.DOMAIN_SEPARATOR(),
            0xdab1686e6585619de3898de2c08d60e29b02cd9bdb1561050adf20eea6ec3a04
        );
    }

    function test_transferWithAuthorization() public {
        bytes memory signature =
            hex"a8da4f806010d15ea4af7ca97482502008d866c91f5eb72203d1f6aa78ae9c8e0ee813622aa28ad2862a7833b296520a09fc4a46e6ba61b91c809ed5048aa12a1c";
        vectorToken.transferWithAuthorization(FROM, TO, 1000, 0, VALID_BEFORE, NONCE, signature);
        vm.assertEq(vectorToken.balanceOf(TO), 1000);
    }

    function test_receiveWithAuthorization() public {
        vm.prank(TO);
        vectorToken.receiveWithAuthorization(
            FROM,
            TO,
            1000,
            0,
            VALID_BEFORE,
            NONCE,
            0x1b,
            0x7c305f12e619a4eba6e46ef63082c2040f4e857347dc76a108bda8a5fecf9b6c,
            0x400d19d63f89ffe274fa05e7f06acc7cad26d3b1064730b4a7b63e184d981696
        );
        vm.assertEq(vectorToken.balanceOf(TO), 1000);
    }

    function test_permit() public {
        vectorToken.permit(
            FROM,
            TO,
            5000,
            VALID_BEFORE,
            0x1b,
            0x005e1d9fd2ab3c15ffc916684aaadbc286dbd38d2ad7f456eac866542cd7a721,
            0x0bd30dfd2ee94ae6309e09085d2180315b5944b7554f20b4d598416c45074ba6
        );
        vm.assertEq(vectorToken.allowance(FROM, TO), 5000);
    }

    function test_selectors() public pure {
        vm.assertTrue(
            bytes4(keccak256("authorizationState(address,bytes32)"))
                    == IERC3009.authorizationState.selector
                && IERC3009.authorizationState.selector == 0xe94a0102
        );
        vm.assertTrue(AuthorizationToken.permit.selector == 0xd505accf);
        vm.assertTrue(AuthorizationToken.DOMAIN_SEPARATOR.selector == 0x3644e515);
        vm.assertTrue(IERC3009.transferWithAuthorization.selector == 0xe3ee160e);
        vm.assertTrue(IERC3009.receiveWithAuthorization.selector == 0xef55bec6);
        vm.assertTrue(IERC3009Cancel.cancelAuthorization.selector == 0x5a049a70);
        vm.assertTrue(
            IERC3009.AuthorizationUsed.selector
                == 0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5
        );
    }

    function test_selectorsOfTheBytesForm() public {
        bytes memory tail = abi.encode(FROM, TO, 1, 0, VALID_BEFORE, NONCE, bytes(""));
        _knows(0xcf092995, tail);
        vm.prank(TO);
        _knows(0x88b7ab63, tail);
    }

    function _knows(bytes4 selector, bytes memory arguments) private {
        (bool done, bytes memory reason) = TOKEN.call(abi.encodePacked(selector, arguments));
        vm.assertTrue(!done);
        vm.assertEq(reason, abi.encodeWithSelector(ERC3009.ERC3009InvalidSignature.selector));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ChannelConfig, IBatchSettlement} from "../src/IBatchSettlement.sol";
import {ISignatureTransfer} from "../src/ISignatureTransfer.sol";
import {Permit2DepositCollector} from "../src/Permit2DepositCollector.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";
import {Wallet} from "./Wallet.sol";

contract Permit2DepositTest is Fixture {
    bytes32 private constant PERMIT_TYPEHASH = keccak256(
        "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
    );

    function setUp() public override {
        super.setUp();
        vm.prank(payer);
        token.approve(PERMIT2, MINTED);
    }

    function testFuzz_opensChannelAndMovesTheMoney(uint128 amount, uint256 nonce) public {
        amount = bound(amount, 1, MINTED);
        ChannelConfig memory config = channel(1);
        bytes32 channelId = settlement.getChannelId(config);
        bytes memory data = permit2Data(config, amount, nonce);

        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.ChannelCreated(channelId, config);
        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.Deposited(channelId, RELAYER, amount, amount);
        _deposit(config, amount, data);

        assertChannel(channelId, amount, 0);
        vm.assertEq(token.balanceOf(SETTLEMENT), amount);
        vm.assertEq(token.balanceOf(PERMIT2_COLLECTOR), 0);
        vm.assertEq(token.balanceOf(payer), MINTED - amount);
    }

    function test_eitherMethodTopsUpWhatTheOtherOpened() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = open(config, 500);
        _deposit(config, 70, permit2Data(config, 70, 1));
        settlement.deposit(config, 5, COLLECTOR, depositData(config, 5));
        assertChannel(channelId, 575, 0);
    }

    function test_signatureFundsNoOtherChannelAmountOrToken() public {
        bytes memory data = permit2Data(channel(1), 10, 1);
        _refused(channel(2), 10, data, ISignatureTransfer.InvalidSigner.selector);
        _refused(channel(1), 11, data, ISignatureTransfer.InvalidSigner.selector);
        _refused(channel(1), 9, data, ISignatureTransfer.InvalidSigner.selector);
        _deposit(channel(1), 10, data);
    }

    function test_signatureFundsOnce() public {
        bytes memory data = permit2Data(channel(1), 10, 7);
        _deposit(channel(1), 10, data);
        _refused(channel(1), 10, data, ISignatureTransfer.InvalidNonce.selector);
    }

    function test_signatureForAnotherSpenderIsNone() public {
        ChannelConfig memory config = channel(1);
        bytes32 digest = permit2Digest(config, 10, COLLECTOR, 1, NOON);
        bytes memory data = abi.encode(uint256(1), NOON, sign(PAYER_KEY, digest), bytes(""));
        _refused(config, 10, data, ISignatureTransfer.InvalidSigner.selector);
    }

    function test_signatureExpires() public {
        ChannelConfig memory config = channel(1);
        bytes32 digest = permit2Digest(config, 10, PERMIT2_COLLECTOR, 1, NOON);
        bytes memory data = abi.encode(uint256(1), NOON, sign(PAYER_KEY, digest), bytes(""));
        vm.warp(NOON + 1);
        vm.expectRevert(abi.encodeWithSelector(ISignatureTransfer.SignatureExpired.selector, NOON));
        settlement.deposit(config, 10, PERMIT2_COLLECTOR, data);
    }

    function test_permitApprovesOnTheWay() public {
        vm.prank(payer);
        token.approve(PERMIT2, 0);
        ChannelConfig memory config = channel(1);
        bytes memory without = permit2Data(config, 10, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, PERMIT2, 0, 10)
        );
        settlement.deposit(config, 10, PERMIT2_COLLECTOR, without);

        _deposit(config, 10, _withPermit(config, 10, 1, 10));
        assertChannel(settlement.getChannelId(config), 10, 0);
        vm.assertEq(token.allowance(payer, PERMIT2), 0);
    }

    /// Anybody may send the payer's permit first; the deposit works all the same.
    function test_permitThatWasUsedAlreadyDoesNoHarm() public {
        vm.prank(payer);
        token.approve(PERMIT2, 0);
        ChannelConfig memory config = channel(1);
        bytes memory data = _withPermit(config, 10, 1, 10);
        (,,, bytes memory permit) = abi.decode(data, (uint256, uint256, bytes, bytes));
        (uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) =
            abi.decode(permit, (uint256, uint256, uint8, bytes32, bytes32));
        token.permit(payer, PERMIT2, value, deadline, v, r, s);
        _deposit(config, 10, data);
        assertChannel(settlement.getChannelId(config), 10, 0);
    }

    function test_permitForLessIsNotEnough() public {
        vm.prank(payer);
        token.approve(PERMIT2, 0);
        bytes memory data = _withPermit(channel(1), 10, 1, 9);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, PERMIT2, 9, 10)
        );
        settlement.deposit(channel(1), 10, PERMIT2_COLLECTOR, data);
    }

    function test_collectorServesTheEscrowAlone() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = settlement.getChannelId(config);
        bytes memory data = permit2Data(config, 10, 1);
        Permit2DepositCollector collector = Permit2DepositCollector(PERMIT2_COLLECTOR);
        vm.prank(stranger);
        vm.expectRevert(Permit2DepositCollector.NotSettlement.selector);
        collector.collect(payer, address(token), 10, channelId, data);
        vm.assertEq(collector.SETTLEMENT(), SETTLEMENT);
        vm.assertEq(collector.PERMIT2(), PERMIT2);
    }

    function test_smartWalletPays() public {
        Wallet wallet = new Wallet(payer);
        ChannelConfig memory config = channel(1);
        config.payer = address(wallet);
        vm.prank(payer);
        token.transfer(address(wallet), 100);
        wallet.approve(address(token), PERMIT2);
        _deposit(config, 100, permit2Data(config, 100, 1));
        assertChannel(settlement.getChannelId(config), 100, 0);
        wallet.close();
        _refused(
            config,
            1,
            permit2Data(config, 1, 2),
            ISignatureTransfer.InvalidContractSignature.selector
        );
    }

    function _deposit(ChannelConfig memory config, uint128 amount, bytes memory data) private {
        vm.prank(RELAYER);
        settlement.deposit(config, amount, PERMIT2_COLLECTOR, data);
    }

    function _refused(ChannelConfig memory config, uint128 amount, bytes memory data, bytes4 reason)
        private
    {
        vm.expectRevert(reason);
        settlement.deposit(config, amount, PERMIT2_COLLECTOR, data);
    }

    function _withPermit(ChannelConfig memory config, uint128 amount, uint256 nonce, uint256 value)
        private
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(
            abi.encode(PERMIT_TYPEHASH, payer, PERMIT2, value, token.nonces(payer), NOON)
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            PAYER_KEY, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash))
        );
        bytes32 digest = permit2Digest(config, amount, PERMIT2_COLLECTOR, nonce, type(uint256).max);
        return abi.encode(
            nonce, type(uint256).max, sign(PAYER_KEY, digest), abi.encode(value, NOON, v, r, s)
        );
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ERC3009DepositCollector} from "../src/ERC3009DepositCollector.sol";
import {ChannelConfig, IBatchSettlement} from "../src/IBatchSettlement.sol";
import {AllowanceCollector} from "./Collectors.sol";
import {Fixture} from "./Fixture.sol";
import {HostileToken} from "./Tokens.sol";
import {vm} from "./Vm.sol";
import {Wallet} from "./Wallet.sol";

contract DepositTest is Fixture {
    function test_opensChannelAndMovesTheMoney() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = settlement.getChannelId(config);
        bytes memory data = depositData(config, 500);

        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.ChannelCreated(channelId, config);
        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.Deposited(channelId, RELAYER, 500, 500);
        vm.prank(RELAYER);
        settlement.deposit(config, 500, COLLECTOR, data);

        assertChannel(channelId, 500, 0);
        vm.assertEq(token.balanceOf(SETTLEMENT), 500);
        vm.assertEq(token.balanceOf(COLLECTOR), 0);
        vm.assertEq(token.balanceOf(payer), MINTED - 500);
    }

    function test_topUpAddsAndDoesNotCreate() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = open(config, 500);
        bytes memory data = depositData(config, 70);

        vm.recordLogs();
        settlement.deposit(config, 70, COLLECTOR, data);

        assertChannel(channelId, 570, 0);
        vm.assertEq(emitted(IBatchSettlement.ChannelCreated.selector), 0);
    }

    function test_topUpOfAChannelClaimedInFullDoesNotCreate() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = open(config, 500);
        claim(config, 500);
        bytes memory data = depositData(config, 70);

        vm.recordLogs();
        settlement.deposit(config, 70, COLLECTOR, data);

        assertChannel(channelId, 570, 500);
        vm.assertEq(emitted(IBatchSettlement.ChannelCreated.selector), 0);
    }

    function test_channelThatWasDrainedIsCreatedAgain() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = open(config, 500);
        vm.prank(receiver);
        settlement.refund(config, 500);
        bytes memory data = depositData(config, 70);

        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.ChannelCreated(channelId, config);
        settlement.deposit(config, 70, COLLECTOR, data);
    }

    function test_refusesMissingParties() public {
        ChannelConfig memory config = channel(1);
        config.payer = address(0);
        _refused(config, 1, COLLECTOR, IBatchSettlement.InvalidChannel.selector);
        config = channel(1);
        config.receiver = address(0);
        _refused(config, 1, COLLECTOR, IBatchSettlement.InvalidChannel.selector);
        config = channel(1);
        config.receiverAuthorizer = address(0);
        _refused(config, 1, COLLECTOR, IBatchSettlement.InvalidChannel.selector);
        config = channel(1);
        config.token = address(0);
        _refused(config, 1, COLLECTOR, IBatchSettlement.InvalidChannel.selector);
    }

    function test_acceptsTheBoundsOfTheDelayAndNothingBeyond() public {
        vm.assertEq(settlement.MIN_WITHDRAW_DELAY(), 900);
        vm.assertEq(settlement.MAX_WITHDRAW_DELAY(), 2_592_000);
        ChannelConfig memory config = channel(1);
        config.withdrawDelay = 900;
        open(config, 1);
        config.withdrawDelay = 2_592_000;
        open(config, 1);
        config.withdrawDelay = 899;
        _refused(config, 1, COLLECTOR, IBatchSettlement.WithdrawDelayOutOfRange.selector);
        config.withdrawDelay = 2_592_001;
        _refused(config, 1, COLLECTOR, IBatchSettlement.WithdrawDelayOutOfRange.selector);
    }

    function test_refusesNothing() public {
        _refused(channel(1), 0, COLLECTOR, IBatchSettlement.ZeroDeposit.selector);
    }

    function test_refusesACollectorWithoutCode() public {
        _refused(channel(1), 1, address(0), IBatchSettlement.InvalidCollector.selector);
        _refused(channel(1), 1, stranger, IBatchSettlement.InvalidCollector.selector);
    }

    function test_refusesABalanceAboveTheMaximum() public {
        HostileToken other = new HostileToken(payer, type(uint256).max);
        ChannelConfig memory config = channel(1);
        config.token = address(other);
        bytes32 channelId = open(config, type(uint128).max);
        _refused(config, 1, COLLECTOR, IBatchSettlement.DepositOverflow.selector);
        assertChannel(channelId, type(uint128).max, 0);
    }

    function test_refusesATokenThatTakesAFee() public {
        HostileToken other = new HostileToken(payer, 1000);
        ChannelConfig memory config = channel(1);
        config.token = address(other);
        AllowanceCollector collector = new AllowanceCollector();
        vm.prank(payer);
        other.approve(address(collector), 1000);
        other.charge(1);

        vm.expectRevert(IBatchSettlement.DepositCollectionFailed.selector);
        settlement.deposit(config, 100, address(collector), abi.encode(100));
        bytes memory data = depositData(config, 100);
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector, COLLECTOR, 99, 100
            )
        );
        settlement.deposit(config, 100, COLLECTOR, data);
        vm.assertEq(other.balanceOf(payer), 1000);
    }

    function testFuzz_creditsOnlyWhatArrives(uint128 amount, uint128 arriving) public {
        amount = bound(amount, 1, MINTED);
        arriving = bound(arriving, 0, MINTED);
        AllowanceCollector collector = new AllowanceCollector();
        vm.prank(payer);
        token.approve(address(collector), MINTED);

        // Equal amounts would hardly ever be drawn.
        if (arriving % 3 == 0) arriving = amount;
        if (arriving != amount) vm.expectRevert(IBatchSettlement.DepositCollectionFailed.selector);
        settlement.deposit(channel(1), amount, address(collector), abi.encode(arriving));
        assertChannel(settlement.getChannelId(channel(1)), arriving == amount ? amount : 0, 0);
    }

    function test_moneySentWithoutADepositIsNobodysCredit() public {
        vm.prank(payer);
        token.transfer(SETTLEMENT, 1000);
        bytes32 channelId = open(channel(1), 10);
        assertChannel(channelId, 10, 0);
    }

    function test_authorizationFundsNoOtherChannel() public {
        bytes memory data = depositData(channel(1), 10);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        settlement.deposit(channel(2), 10, COLLECTOR, data);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        settlement.deposit(channel(1), 11, COLLECTOR, data);
    }

    function test_authorizationFundsOnce() public {
        ChannelConfig memory config = channel(1);
        bytes memory data = depositData(config, 10, 7);
        settlement.deposit(config, 10, COLLECTOR, data);
        bytes32 nonce = keccak256(abi.encode(settlement.getChannelId(config), uint256(7)));
        vm.assertTrue(token.authorizationState(payer, nonce));
        vm.expectRevert(
            abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, payer, nonce)
        );
        settlement.deposit(config, 10, COLLECTOR, data);
    }

    function test_collectorServesTheEscrowAlone() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = settlement.getChannelId(config);
        bytes memory data = depositData(config, 10);
        vm.prank(stranger);
        vm.expectRevert(ERC3009DepositCollector.NotSettlement.selector);
        ERC3009DepositCollector(COLLECTOR).collect(payer, address(token), 10, channelId, data);
        vm.assertEq(ERC3009DepositCollector(COLLECTOR).SETTLEMENT(), SETTLEMENT);
    }

    function test_smartWalletPays() public {
        ChannelConfig memory config = channel(1);
        config.payer = address(new Wallet(payer));
        vm.prank(payer);
        token.transfer(config.payer, 100);
        assertChannel(open(config, 100), 100, 0);
    }

    function _refused(ChannelConfig memory config, uint128 amount, address collector, bytes4 reason)
        private
    {
        vm.expectRevert(reason);
        settlement.deposit(config, amount, collector, "");
    }
}

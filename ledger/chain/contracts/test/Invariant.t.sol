// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchSettlement} from "../src/BatchSettlement.sol";
import {DevToken} from "../src/DevToken.sol";
import {ChannelConfig, VoucherClaim} from "../src/IBatchSettlement.sol";
import {Fixture, Scene} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// Does whatever the parties may do, in any order, and keeps books of its own. No step may fail.
contract Parties is Scene {
    uint256 public constant CHANNELS = 4;

    ChannelConfig[] private configs;
    uint128[CHANNELS] public deposited;
    uint128[CHANNELS] public claimed;
    uint128[CHANNELS] public returned;
    uint256[CHANNELS] public refunds;
    uint128[CHANNELS] public pendingAmount;
    uint256[CHANNELS] public pendingSince;
    uint256 public donated;

    constructor() {
        prepare();
        for (uint256 i = 0; i < CHANNELS; ++i) {
            ChannelConfig memory config = channel(i);
            if (i % 2 == 1) config.receiver = stranger;
            config.withdrawDelay = uint40(DELAY * (i + 1));
            configs.push(config);
        }
    }

    function deposit(uint256 which, uint256 amount) external {
        which %= CHANNELS;
        uint128 value = bound(amount, 1, 10_000);
        open(configs[which], value);
        deposited[which] += value;
    }

    function claimOne(uint256 which, uint256 total, uint256 ceiling) external {
        which %= CHANNELS;
        VoucherClaim[] memory list = rows(_row(which, total, ceiling));
        vm.prank(which % 2 == 0 ? configs[which].receiver : receiverAuthorizer);
        settlement.claim(list);
        _note(which, list[0].totalClaimed);
    }

    function claimTwo(uint256 which, uint256 first, uint256 second) external {
        which %= CHANNELS;
        uint256 next = (which + 1) % CHANNELS;
        VoucherClaim[] memory list = rows(_row(which, first, second), _row(next, second, first));
        settlement.claimWithSignature(list, batchSignature(RECEIVER_AUTHORIZER_KEY, list));
        _note(which, list[0].totalClaimed);
        _note(next, list[1].totalClaimed);
    }

    function settle(uint256 which) external {
        settlement.settle(configs[which % CHANNELS].receiver, address(token));
    }

    function claimAndSettle(uint256 which, uint256 total) external {
        which %= CHANNELS;
        VoucherClaim[] memory list = rows(_row(which, total, total));
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(BatchSettlement.claim, (list));
        calls[1] = abi.encodeCall(BatchSettlement.settle, (configs[which].receiver, address(token)));
        vm.prank(receiverAuthorizer);
        settlement.multicall(calls);
        _note(which, list[0].totalClaimed);
    }

    function refund(uint256 which, uint256 amount) external {
        which %= CHANNELS;
        uint128 asked = bound(amount, 1, 20_000);
        vm.prank(configs[which].receiver);
        settlement.refund(configs[which], asked);
        _noteRefund(which, asked);
    }

    function refundSigned(uint256 which, uint256 amount) external {
        which %= CHANNELS;
        uint128 asked = bound(amount, 1, 20_000);
        bytes memory signature = refundSignature(
            RECEIVER_AUTHORIZER_KEY, settlement.getChannelId(configs[which]), refunds[which], asked
        );
        settlement.refundWithSignature(configs[which], asked, refunds[which], signature);
        _noteRefund(which, asked);
    }

    function withdraw(uint256 which, uint256 amount) external {
        which %= CHANNELS;
        uint128 available = availableOf(which);
        if (pendingSince[which] != 0 || available == 0) return;
        pendingAmount[which] = bound(amount, 1, available);
        pendingSince[which] = block.timestamp;
        vm.prank(payer);
        settlement.initiateWithdraw(configs[which], pendingAmount[which]);
    }

    function finalize(uint256 which) external {
        which %= CHANNELS;
        if (pendingSince[which] == 0) return;
        uint256 due = pendingSince[which] + configs[which].withdrawDelay;
        if (block.timestamp < due) vm.warp(due);
        vm.prank(payerAuthorizer);
        settlement.finalizeWithdraw(configs[which]);
        returned[which] += _lesser(pendingAmount[which], availableOf(which));
        (pendingAmount[which], pendingSince[which]) = (0, 0);
    }

    function donate(uint256 amount) external {
        uint128 value = bound(amount, 0, 10);
        vm.prank(payer);
        token.transfer(SETTLEMENT, value);
        donated += value;
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + time % 1000);
    }

    function availableOf(uint256 which) public view returns (uint128) {
        return deposited[which] - returned[which] - claimed[which];
    }

    function earnedBy(address who) public view returns (uint128 total) {
        for (uint256 i = 0; i < CHANNELS; ++i) {
            if (configs[i].receiver == who) total += claimed[i];
        }
    }

    function configOf(uint256 which) external view returns (ChannelConfig memory) {
        return configs[which];
    }

    function _row(uint256 which, uint256 total, uint256 ceiling)
        private
        view
        returns (VoucherClaim memory)
    {
        uint128 claimable = bound(total, 0, deposited[which] - returned[which]);
        return row(configs[which], claimable + bound(ceiling, 0, 1000), claimable);
    }

    function _note(uint256 which, uint128 total) private {
        if (total > claimed[which]) claimed[which] = total;
    }

    function _noteRefund(uint256 which, uint128 asked) private {
        ++refunds[which];
        uint128 paid = _lesser(asked, availableOf(which));
        returned[which] += paid;
        if (paid >= pendingAmount[which] && paid != 0) {
            (pendingAmount[which], pendingSince[which]) = (0, 0);
        } else {
            pendingAmount[which] -= paid;
        }
    }

    function _lesser(uint128 left, uint128 right) private pure returns (uint128) {
        return left < right ? left : right;
    }
}

contract InvariantTest is Fixture {
    Parties private parties;

    function setUp() public override {
        super.setUp();
        parties = new Parties();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(parties);
    }

    /// The escrow holds what it owes and what was given to it, to the last unit.
    function invariant_noMoneyAppearsOrVanishes() public view {
        uint256 owed = parties.donated();
        uint256 returned;
        uint256 deposited;
        for (uint256 i = 0; i < parties.CHANNELS(); ++i) {
            (uint128 balance, uint128 totalClaimed) = settlement.channels(_id(i));
            owed += balance - totalClaimed;
            returned += parties.returned(i);
            deposited += parties.deposited(i);
        }
        owed += _due(receiver) + _due(stranger);
        _equal(_balance(SETTLEMENT), owed);
        _equal(_balance(COLLECTOR), 0);
        _equal(_balance(payer), MINTED - deposited + returned - parties.donated());
        _equal(
            _balance(SETTLEMENT) + _balance(payer) + _balance(receiver) + _balance(stranger), MINTED
        );
    }

    function invariant_channelsAgreeWithTheBooks() public view {
        for (uint256 i = 0; i < parties.CHANNELS(); ++i) {
            (uint128 balance, uint128 totalClaimed) = settlement.channels(_id(i));
            vm.assertLe(totalClaimed, balance, "claimed within the balance");
            _equal(balance, parties.deposited(i) - parties.returned(i));
            _equal(totalClaimed, parties.claimed(i));
            _equal(settlement.refundNonce(_id(i)), parties.refunds(i));
            assertPending(_id(i), parties.pendingAmount(i), parties.pendingSince(i));
        }
    }

    function invariant_receiversAgreeWithTheBooks() public view {
        address[2] memory all = [receiver, stranger];
        for (uint256 i = 0; i < all.length; ++i) {
            (uint128 totalClaimed, uint128 totalSettled) = settlement.receivers(all[i], _token());
            _equal(totalClaimed, parties.earnedBy(all[i]));
            _equal(totalSettled, _balance(all[i]));
        }
    }

    function _id(uint256 which) private view returns (bytes32) {
        return settlement.getChannelId(parties.configOf(which));
    }

    function _due(address who) private view returns (uint256) {
        (uint128 totalClaimed, uint128 totalSettled) = settlement.receivers(who, _token());
        return totalClaimed - totalSettled;
    }

    function _balance(address who) private view returns (uint256) {
        return DevToken(_token()).balanceOf(who);
    }

    function _token() private view returns (address) {
        return parties.configOf(0).token;
    }

    function _equal(uint256 left, uint256 right) private pure {
        vm.assertEq(left, right);
    }
}

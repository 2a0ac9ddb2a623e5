// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchSettlement} from "../src/BatchSettlement.sol";
import {ChannelConfig, VoucherClaim} from "../src/IBatchSettlement.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// Gas of whole transactions, as a receipt shows it, in the usual case: every account has been used
/// before. Each must stay within the canonical contract's figure; the exact ones are in
/// snapshots/gas.json.
/// forge-config: default.isolate = true
contract GasTest is Fixture {
    uint128 private constant DEPOSIT = 10_000e6;
    uint128 private constant FIRST = 1e6;

    function setUp() public override {
        super.setUp();
        ChannelConfig memory used = channel(uint256(keccak256("used")));
        open(used, DEPOSIT);
        claim(used, 1);
        settlement.settle(receiver, address(token));
    }

    function test_open() public {
        ChannelConfig memory config = channel(_salt(1));
        bytes memory data = depositData(config, DEPOSIT, _salt(2));
        vm.prank(RELAYER);
        settlement.deposit(config, DEPOSIT, COLLECTOR, data);
        _measured("open", 120_004);
    }

    function test_topUp() public {
        ChannelConfig memory config = channel(_salt(1));
        open(config, DEPOSIT);
        bytes memory data = depositData(config, DEPOSIT, _salt(2));
        vm.prank(RELAYER);
        settlement.deposit(config, DEPOSIT, COLLECTOR, data);
        _measured("top up", 99_036);
    }

    /// Through Permit2, of an owner who has approved it and used it before. The canonical
    /// collector's figures are not published.
    function test_openByPermit2() public {
        vm.prank(payer);
        token.approve(PERMIT2, type(uint256).max);
        ChannelConfig memory config = channel(_salt(1));
        settlement.deposit(config, 1, PERMIT2_COLLECTOR, permit2Data(config, 1, 0));
        config = channel(_salt(2));
        bytes memory data = permit2Data(config, DEPOSIT, 1);
        vm.prank(RELAYER);
        settlement.deposit(config, DEPOSIT, PERMIT2_COLLECTOR, data);
        vm.snapshotGasLastCall("gas", "open by Permit2");
    }

    function test_claim1() public {
        claim(_openMany(1));
        _measured("claim 1", 48_441);
    }

    function test_claim10() public {
        claim(_openMany(10));
        _measured("claim 10", 239_184);
    }

    function test_claim100() public {
        claim(_openMany(100));
        _measured("claim 100", 2_149_832);
    }

    function test_claimWithSignature25() public {
        VoucherClaim[] memory list = _openMany(25);
        bytes memory signature = batchSignature(RECEIVER_AUTHORIZER_KEY, list);
        vm.prank(RELAYER);
        settlement.claimWithSignature(list, signature);
        _measured("claimWithSignature 25", 628_868);
    }

    function test_settle() public {
        claim(_openMany(1));
        vm.prank(RELAYER);
        settlement.settle(receiver, address(token));
        _measured("settle", 46_291);
    }

    function test_claim100AndSettle() public {
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(BatchSettlement.claim, (_openMany(100)));
        calls[1] = abi.encodeCall(BatchSettlement.settle, (receiver, address(token)));
        vm.prank(receiver);
        settlement.multicall(calls);
        _measured("claim 100 and settle", 2_186_180);
    }

    function test_close() public {
        VoucherClaim[] memory list = _openMany(1);
        ChannelConfig memory config = list[0].voucher.channel;
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(
            BatchSettlement.claimWithSignature,
            (list, batchSignature(RECEIVER_AUTHORIZER_KEY, list))
        );
        calls[1] = abi.encodeCall(
            BatchSettlement.refundWithSignature,
            (
                config,
                DEPOSIT,
                0,
                refundSignature(
                    RECEIVER_AUTHORIZER_KEY, settlement.getChannelId(config), 0, DEPOSIT
                )
            )
        );
        vm.prank(RELAYER);
        settlement.multicall(calls);
        _measured("close", 121_800);
    }

    /// The canonical contract's figures of what follows are not published.
    function test_claimWithSignature100AndSettle() public {
        VoucherClaim[] memory list = _openMany(100);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(
            BatchSettlement.claimWithSignature,
            (list, batchSignature(RECEIVER_AUTHORIZER_KEY, list))
        );
        calls[1] = abi.encodeCall(BatchSettlement.settle, (receiver, address(token)));
        vm.prank(RELAYER);
        settlement.multicall(calls);
        vm.snapshotGasLastCall("gas", "claimWithSignature 100 and settle");
    }

    function test_refund() public {
        ChannelConfig memory config = channel(_salt(1));
        open(config, DEPOSIT);
        vm.prank(receiver);
        settlement.refund(config, FIRST);
        vm.snapshotGasLastCall("gas", "refund of a part");
    }

    function test_refundWithSignature() public {
        ChannelConfig memory config = channel(_salt(1));
        open(config, DEPOSIT);
        bytes memory signature = refundSignature(
            RECEIVER_AUTHORIZER_KEY, settlement.getChannelId(config), 0, FIRST
        );
        vm.prank(RELAYER);
        settlement.refundWithSignature(config, FIRST, 0, signature);
        vm.snapshotGasLastCall("gas", "refundWithSignature of a part");
    }

    function test_withdraw() public {
        ChannelConfig memory config = channel(_salt(1));
        open(config, DEPOSIT);
        vm.prank(payer);
        settlement.initiateWithdraw(config, DEPOSIT);
        vm.snapshotGasLastCall("gas", "initiateWithdraw");
        vm.warp(block.timestamp + config.withdrawDelay);
        vm.prank(payer);
        settlement.finalizeWithdraw(config);
        vm.snapshotGasLastCall("gas", "finalizeWithdraw");
    }

    function _openMany(uint256 count) private returns (VoucherClaim[] memory list) {
        list = new VoucherClaim[](count);
        for (uint256 i = 0; i < count; ++i) {
            ChannelConfig memory config = channel(_salt(1000 + i));
            open(config, DEPOSIT);
            list[i] = row(config, FIRST + FIRST / 2, FIRST);
        }
    }

    function _salt(uint256 number) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(number)));
    }

    function _measured(string memory name, uint256 canonical) private {
        vm.assertLe(vm.snapshotGasLastCall("gas", name), canonical, name);
    }
}

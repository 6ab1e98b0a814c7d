using ChannelSdk.GuestAgent.Snapshot;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests.Snapshots;

public sealed class CompleteCheckTests
{
    [Theory]
    [InlineData(16, 32, true)]
    [InlineData(16, 64, true)]
    [InlineData(15, 32, false)]
    [InlineData(17, 32, false)]
    [InlineData(0, 32, false)]
    [InlineData(16, 31, false)]
    [InlineData(16, 65, false)]
    [InlineData(16, 0, false)]
    public void A_copy_needs_a_generation_and_entropy_of_their_sizes(int generation, int entropy, bool isAllowed)
    {
        foreach (var origin in (SnapshotOrigin[])[SnapshotOrigin.Restored, SnapshotOrigin.Cloned])
        {
            Check(isAllowed, new CompleteRequest { Origin = origin, Generation = Bytes(generation), Entropy = Bytes(entropy) });
        }
    }

    [Fact]
    public void A_generation_that_is_all_zero_is_none() =>
        Check(false, new CompleteRequest { Origin = SnapshotOrigin.Restored, Generation = ByteString.CopyFrom(new byte[16]), Entropy = Bytes(32) });

    [Theory]
    [InlineData(SnapshotOrigin.GoesOn)]
    [InlineData(SnapshotOrigin.Migrated)]
    public void What_is_of_a_copy_is_refused_for_a_guest_that_is_none(SnapshotOrigin origin)
    {
        Check(true, new CompleteRequest { Origin = origin });
        Check(false, new CompleteRequest { Origin = origin, Generation = Bytes(16) });
        Check(false, new CompleteRequest { Origin = origin, Entropy = Bytes(32) });
        Check(false, new CompleteRequest { Origin = origin, Identity = new SnapshotIdentity() });
    }

    [Theory]
    [InlineData(SnapshotOrigin.Unspecified)]
    [InlineData((SnapshotOrigin)5)]
    [InlineData((SnapshotOrigin)(-1))]
    public void An_origin_that_there_is_not_is_refused(SnapshotOrigin origin) => Check(false, new CompleteRequest { Origin = origin });

    [Fact]
    public void Only_a_clone_has_an_identity()
    {
        var restored = Clone(new SnapshotIdentity());
        restored.Origin = SnapshotOrigin.Restored;
        Check(false, restored);
        Check(true, Clone(new SnapshotIdentity()));
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, false)]
    [InlineData(-1, false)]
    [InlineData(946_684_800_000_000_000, true)]
    [InlineData(946_684_799_999_999_999, false)]
    [InlineData(7_258_118_400_000_000_000, false)]
    [InlineData(7_258_118_399_999_999_999, true)]
    public void A_time_is_one_that_a_guest_lives_in(long time, bool isAllowed) =>
        Check(isAllowed, new CompleteRequest { Origin = SnapshotOrigin.GoesOn, UnixNs = time });

    [Theory]
    [InlineData(0, true)]
    [InlineData(15, false)]
    [InlineData(16, true)]
    [InlineData(17, false)]
    public void A_machine_id_has_its_size(int length, bool isAllowed) => Check(isAllowed, Clone(new SnapshotIdentity { MachineId = Bytes(length) }));

    [Fact]
    public void A_machine_id_that_is_all_zero_is_refused() => Check(false, Clone(new SnapshotIdentity { MachineId = ByteString.CopyFrom(new byte[16]) }));

    [Theory]
    [InlineData("", true)]
    [InlineData("a", true)]
    [InlineData("web-1.example.com", true)]
    [InlineData("-a", false)]
    [InlineData("a-", false)]
    [InlineData("a..b", false)]
    [InlineData("a.", false)]
    [InlineData("a b", false)]
    [InlineData("a\n", false)]
    [InlineData("a/b", false)]
    [InlineData("ä", false)]
    public void A_host_name_is_one(string name, bool isAllowed) => Check(isAllowed, Clone(new SnapshotIdentity { HostName = name }));

    [Fact]
    public void A_host_name_has_labels_of_63_and_253_characters_at_most()
    {
        var label = new string('a', 63);
        Check(true, Clone(new SnapshotIdentity { HostName = label }));
        Check(false, Clone(new SnapshotIdentity { HostName = label + "a" }));
        var name = $"{label}.{label}.{label}.{new string('a', 61)}";
        Assert.Equal(253, name.Length);
        Check(true, Clone(new SnapshotIdentity { HostName = name }));
        Check(false, Clone(new SnapshotIdentity { HostName = name + "a" }));
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("i-0abc", true)]
    [InlineData(".", false)]
    [InlineData("..", false)]
    [InlineData("a/b", false)]
    [InlineData("a b", false)]
    [InlineData("a\u007f", false)]
    [InlineData("a\n", false)]
    public void An_instance_id_is_a_name_of_a_folder(string id, bool isAllowed) => Check(isAllowed, Clone(new SnapshotIdentity { InstanceId = id }));

    [Fact]
    public void An_instance_id_has_255_characters_at_most()
    {
        Check(true, Clone(new SnapshotIdentity { InstanceId = new string('i', 255) }));
        Check(false, Clone(new SnapshotIdentity { InstanceId = new string('i', 256) }));
    }

    [Fact]
    public void At_most_16_addresses_are_changed_and_each_once()
    {
        Check(true, Clone(Addresses([.. Enumerable.Range(1, 16).Select(static i => (i, i + 100))])));
        Check(false, Clone(Addresses([.. Enumerable.Range(1, 17).Select(static i => (i, i + 100))])));
        Check(false, Clone(Addresses((1, 2), (1, 3))));
        Check(false, Clone(Addresses((1, 3), (2, 3))));
        // Two interfaces may change places.
        Check(true, Clone(Addresses((1, 2), (2, 1))));
    }

    [Theory]
    [InlineData("020000000001", true)]
    [InlineData("0200000001", false)]
    [InlineData("02000000000102", false)]
    [InlineData("030000000001", false)]
    [InlineData("ffffffffffff", false)]
    [InlineData("000000000000", false)]
    [InlineData("", false)]
    public void An_address_is_of_one_station(string address, bool isAllowed)
    {
        var good = ByteString.CopyFrom(2, 0, 0, 0, 0, 9);
        var other = ByteString.CopyFrom(Convert.FromHexString(address));
        Check(isAllowed, Clone(new SnapshotIdentity { Addresses = { new AddressChange { Present = good, Next = other } } }));
        Check(isAllowed, Clone(new SnapshotIdentity { Addresses = { new AddressChange { Present = other, Next = good } } }));
    }

    [Fact]
    public void No_error_has_a_byte_of_the_entropy()
    {
        var request = new CompleteRequest { Origin = SnapshotOrigin.Restored, Generation = Bytes(16), Entropy = ByteString.CopyFromUtf8("not-to-be-seen") };

        var e = Assert.Throws<ChannelException>(() => CompleteCheck.Run(request));

        Assert.DoesNotContain("seen", e.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(request.Entropy.ToBase64(), e.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToHexStringLower(request.Entropy.Span), e.ToString(), StringComparison.OrdinalIgnoreCase);
    }

    private static void Check(bool isAllowed, CompleteRequest request)
    {
        if (isAllowed)
        {
            CompleteCheck.Run(request);
        }
        else
        {
            Assert.Equal(ChannelError.InvalidArgument, Assert.Throws<ChannelException>(() => CompleteCheck.Run(request)).Code);
        }
    }

    private static CompleteRequest Clone(SnapshotIdentity identity) =>
        new() { Origin = SnapshotOrigin.Cloned, Generation = Bytes(16), Entropy = Bytes(32), Identity = identity };

    private static SnapshotIdentity Addresses(params (int Present, int Next)[] changes)
    {
        var identity = new SnapshotIdentity();
        identity.Addresses.AddRange(changes.Select(static change => new AddressChange
        {
            Present = ByteString.CopyFrom(2, 0, 0, 0, 0, (byte)change.Present),
            Next = ByteString.CopyFrom(2, 0, 0, 0, 0, (byte)change.Next),
        }));
        return identity;
    }

    private static ByteString Bytes(int length) => ByteString.CopyFrom([.. Enumerable.Range(1, length).Select(static i => (byte)i)]);
}

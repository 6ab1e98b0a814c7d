using ChannelSdk.GuestAgent.Time;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Snapshot;

/// <summary>The bounds of a snapshot.Complete. No error has a value of the request in it: some of them are secrets.</summary>
internal static class CompleteCheck
{
    public const int GenerationBytes = 16;
    public const int MinEntropyBytes = 32;
    public const int MaxEntropyBytes = 64;
    public const int MachineIdBytes = 16;

    /// <summary>hostname(7).</summary>
    public const int MaxHostName = 253;
    public const int MaxLabel = 63;
    public const int MaxInstanceId = 255;
    public const int MaxAddresses = 16;
    public const int AddressBytes = 6;

    /// <summary>Checks all of it.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>, with the field and what is allowed.</exception>
    public static void Run(CompleteRequest request)
    {
        var isCopy = request.Origin is SnapshotOrigin.Restored or SnapshotOrigin.Cloned;
        Require(isCopy || request.Origin is SnapshotOrigin.GoesOn or SnapshotOrigin.Migrated, "origin is not one of goes_on, restored, cloned and migrated");
        Require(request.UnixNs == 0 || TimeService.IsAllowed(request.UnixNs), "unix_ns is neither 0 nor in the years 2000 to 2199, in nanoseconds since 1970");
        if (!isCopy)
        {
            Require(request.Generation.IsEmpty && request.Entropy.IsEmpty, "generation and entropy are of a restored guest or a clone only");
        }
        else
        {
            Require(request.Generation.Length == GenerationBytes, $"generation has {request.Generation.Length} bytes; {GenerationBytes} are allowed");
            Require(!IsZero(request.Generation.Span), "generation is all zero");
            Require(request.Entropy.Length is >= MinEntropyBytes and <= MaxEntropyBytes, $"entropy has {request.Entropy.Length} bytes; {MinEntropyBytes} to {MaxEntropyBytes} are allowed");
        }

        if (request.Identity is { } identity)
        {
            Require(request.Origin == SnapshotOrigin.Cloned, "identity is of a clone only");
            Check(identity);
        }
    }

    private static void Check(SnapshotIdentity identity)
    {
        Require(identity.MachineId.Length == 0 || (identity.MachineId.Length == MachineIdBytes && !IsZero(identity.MachineId.Span)),
            $"identity.machine_id has neither no byte nor {MachineIdBytes} that are not all zero");
        Require(identity.HostName.Length == 0 || IsHostName(identity.HostName),
            $"identity.host_name is no host name: at most {MaxHostName} characters; labels of 1 to {MaxLabel} letters, digits and hyphens, no hyphen at an end of one");
        Require(identity.InstanceId.Length <= MaxInstanceId && identity.InstanceId is not ("." or "..") && !identity.InstanceId.Any(static c => c is <= ' ' or > '~' or '/'),
            $"identity.instance_id is not allowed: at most {MaxInstanceId} printable characters of ASCII without a space and a slash");
        Require(identity.Addresses.Count <= MaxAddresses, $"identity.addresses are {identity.Addresses.Count}; at most {MaxAddresses} are allowed");
        foreach (var change in identity.Addresses)
        {
            Require(IsStation(change.Present.Span) && IsStation(change.Next.Span),
                $"identity.addresses has one that is not of {AddressBytes} bytes, of a single station and other than zero");
        }

        Require(identity.Addresses.Select(static change => change.Present).Distinct().Count() == identity.Addresses.Count
            && identity.Addresses.Select(static change => change.Next).Distinct().Count() == identity.Addresses.Count, "identity.addresses has one twice");
    }

    private static bool IsHostName(string name) => name.Length <= MaxHostName && name.Split('.').All(static label =>
        label.Length is > 0 and <= MaxLabel && label[0] != '-' && label[^1] != '-' && label.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-'));

    // IEEE 802: the lowest bit of the first byte is set in the address of a group.
    private static bool IsStation(ReadOnlySpan<byte> address) => address.Length == AddressBytes && (address[0] & 1) == 0 && !IsZero(address);

    private static bool IsZero(ReadOnlySpan<byte> bytes) => !bytes.ContainsAnyExcept((byte)0);

    private static void Require(bool isAllowed, string text)
    {
        if (!isAllowed)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, text);
        }
    }
}

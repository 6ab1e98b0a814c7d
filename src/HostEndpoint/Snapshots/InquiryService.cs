using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Snapshots;

namespace ChannelSdk.Host.Snapshots;

/// <summary>A guest that has noticed that it may be a copy, and asks. All of it is the claim of a party that is not trusted; texts are escaped.</summary>
/// <param name="Hints">What it has noticed, for instance "vmgenid".</param>
/// <param name="Generation">Its present generation; null before the first.</param>
public sealed record SnapshotInquiry(IReadOnlyList<string> Hints, Guid? Generation);

/// <summary>Serves snapshot.Inquire to one instance.</summary>
internal static class InquiryService
{
    private const int MostHints = 8;
    private const int GenerationSize = 16;

    /// <summary>Adds it. What the guest was told to be is wiped nowhere: it is sent when this has returned.</summary>
    public static void Serve(ServiceRegistry services, Func<SnapshotInquiry, SnapshotCompletion?> copy, TimeProvider time) => services.Unary(SnapshotMethods.Inquire, (untrusted, _) =>
    {
        if (untrusted.Hints.Count > MostHints || untrusted.Generation.Length is not (0 or GenerationSize))
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"an inquiry has at most {MostHints} hints, and a generation of 0 or {GenerationSize} bytes");
        }

        var inquiry = new SnapshotInquiry(GuestClaim.Texts(untrusted.Hints), untrusted.Generation.IsEmpty ? null : new Guid(untrusted.Generation.Span, bigEndian: true));
        // A guest that runs already what it is to be has nothing to do.
        return ValueTask.FromResult(copy(inquiry) is { } completion && !(completion.IsCopy && completion.Generation == inquiry.Generation)
            ? new InquireReply { Complete = new CompletionMessage(completion, time).Now() } : new InquireReply());
    });
}

using System.Globalization;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>The other domain and the name of a vchan, from a URI.</summary>
/// <param name="Domain">The other domain's id.</param>
/// <param name="Name">What the two sides agreed on.</param>
/// <param name="LeftOrder">Log2 of the bytes from the client to the server.</param>
/// <param name="RightOrder">Log2 of the bytes from the server to the client.</param>
internal sealed record VchanAddress(uint Domain, string Name, int LeftOrder, int RightOrder)
{
    internal const string DialScheme = "vchan";
    internal const string ListenScheme = "vchan-listen";

    /// <summary>Xen's DOMID_FIRST_RESERVED: no domain has this id or a higher one.</summary>
    private const uint EndOfDomains = 0x7FF0;

    private const int MaxName = 64;
    private const int DefaultOrder = 16;

    /// <summary>The name as xenstore takes it: its paths have no dots (xenstored: is_valid_nodename).</summary>
    internal string Node => Name.Replace('.', '-');

    /// <summary>Reads <c>DOMID/NAME</c>, for a listener with options.</summary>
    /// <exception cref="ChannelException">It is something else (<see cref="ChannelError.BadEndpointUri"/>).</exception>
    internal static VchanAddress Parse(EndpointUri uri, bool isListen)
    {
        var options = isListen ? new TargetOptions(uri, "order") : new TargetOptions(uri);
        var slash = options.Path.IndexOf('/', StringComparison.Ordinal);
        var name = options.Path[(slash + 1)..];
        if (slash < 0 || !uint.TryParse(options.Path.AsSpan(0, slash), NumberStyles.None, CultureInfo.InvariantCulture, out var domain)
            || domain >= EndOfDomains || !IsName(name))
        {
            throw uri.Bad($"it is not DOMID/NAME, where DOMID is a domain's id in decimal (0 is the host) and NAME has 1 to {MaxName} of a-z, A-Z, 0-9, dot, hyphen and underscore");
        }

        var order = (int)Math.Min(options.Number("order", VchanLayout.SmallOrder, DefaultOrder), int.MaxValue);
        if (order > VchanLayout.MaxOrder)
        {
            throw uri.Bad($"its order is not a number from {VchanLayout.SmallOrder} to {VchanLayout.MaxOrder}");
        }
        // Both places in the shared page are used then, each once.
        var right = order switch
        {
            VchanLayout.SmallOrder => VchanLayout.LargeOrder,
            VchanLayout.LargeOrder => VchanLayout.SmallOrder,
            _ => order,
        };
        return new VchanAddress(domain, name, order, right);
    }

    private static bool IsName(string name)
    {
        foreach (var c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '-' or '_'))
            {
                return false;
            }
        }

        return name.Length is > 0 and <= MaxName;
    }
}

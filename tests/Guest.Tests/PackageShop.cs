using System.Net;
using System.Net.Sockets;
using System.Text;

namespace ChannelSdk.Guest.Tests;

/// <summary>A server of one file on this machine's loopback address, which wants a user and a password.</summary>
internal sealed class PackageShop : IDisposable
{
    private readonly HttpListener _listener = new();
    private readonly byte[] _content;
    private readonly string _user;
    private readonly Func<string, bool> _isPassword;

    /// <param name="content">What it gives.</param>
    /// <param name="user">To this user.</param>
    /// <param name="isPassword">With this password.</param>
    public PackageShop(byte[] content, string user, Func<string, bool> isPassword)
    {
        (_content, _user, _isPassword) = (content, user, isPassword);
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            Url = $"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}/";
        }

        _listener.Prefixes.Add(Url);
        _listener.AuthenticationSchemes = AuthenticationSchemes.Basic | AuthenticationSchemes.Anonymous;
        _listener.Start();
        _ = ServeAsync();
    }

    public string Url { get; }

    /// <summary>How many times it gave the file.</summary>
    public int Given { get; private set; }

    public void Dispose() => _listener.Close();

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                var context = await _listener.GetContextAsync();
                var isAllowed = context.User?.Identity is HttpListenerBasicIdentity { } who && who.Name == _user && _isPassword(who.Password);
                context.Response.StatusCode = isAllowed ? 200 : 401;
                if (isAllowed)
                {
                    context.Response.ContentLength64 = _content.Length;
                    if (context.Request.HttpMethod == "GET")
                    {
                        await context.Response.OutputStream.WriteAsync(_content);
                        Given++;
                    }
                }

                context.Response.Close();
            }
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
        {
            // The test is over.
        }
    }
}

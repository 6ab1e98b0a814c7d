using System.Buffers;
using System.Text;
using System.Text.Json;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>
/// One client's connection, with its own parser: takes requests and answers them one after the other, in their order.
/// </summary>
/// <param name="link">The way to the client.</param>
/// <param name="client">What belongs to it.</param>
/// <param name="commands">What it may call.</param>
/// <param name="memory">What long requests are taken from.</param>
/// <param name="time">The clock of a text that does not go on.</param>
internal sealed class QgaConnection(ITransportLink link, QgaClientSession client, QgaCommands commands, QgaMemory memory, TimeProvider time)
{
    private const int KeptReply = 64 << 10;

    // On a virtio port one client may replace another unseen; a partial request of the first must not swallow the second's request.
    internal static readonly TimeSpan PartKeptFor = TimeSpan.FromSeconds(10);
    private readonly QgaFramer _framer = new(memory);
    private ArrayBufferWriter<byte> _reply = new(1024);

    /// <summary>Serves until the client leaves or the link is aborted.</summary>
    public async Task ServeAsync()
    {
        try
        {
            var heard = time.GetTimestamp();
            while (await link.ReceiveAsync(_framer.Space).ConfigureAwait(false) is > 0 and var count)
            {
                if (_framer.HasPartial && time.GetElapsedTime(heard) > PartKeptFor && QgaRequest.Begins(_framer.NewBytes(count)))
                {
                    // The new bytes, which lie behind the old ones, are not its own yet. That they begin a request tells another
                    // client from one whose request a pause of the guest has split.
                    _framer.Drop();
                }

                heard = time.GetTimestamp();
                _framer.Advance(count);
                await AnswerAllAsync().ConfigureAwait(false);
            }
        }
        catch (ChannelException)
        {
            // The client has gone, with a reply unread or without. It was its own end alone.
        }
        finally
        {
            _framer.Release();
            await link.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask AnswerAllAsync()
    {
        while (true)
        {
            Memory<byte>? message;
            try
            {
                message = _framer.Next();
            }
            catch (QgaException e)
            {
                Fail(e, null);
                await SendReplyAsync().ConfigureAwait(false);
                continue;
            }

            if (message is not { } text)
            {
                return;
            }

            await AnswerAsync(text).ConfigureAwait(false);
        }
    }

    private async ValueTask AnswerAsync(Memory<byte> untrusted)
    {
        QgaValue? id = null;
        try
        {
            var value = QgaValue.Parse(QgaQuotes.Normalize(untrusted));
            id = value.Find("id");
            var request = QgaRequest.Read(value);
            var command = commands.Enter(request.Command);
            using var json = new Utf8JsonWriter(_reply);
            var call = new QgaCall(request.Arguments, client, json, SendAsync);
            if (command.IsQuick)
            {
                await RunAsync(command, call, id).ConfigureAwait(false);
            }
            else
            {
                // Not on the thread that the bytes came by: files and programs may take their time.
                await Task.Run(() => RunAsync(command, call, id)).ConfigureAwait(false);
            }
        }
        catch (QgaException e)
        {
            Fail(e, id);
        }
        catch (ChannelException e) when (e.Code is not (ChannelError.LinkLost or ChannelError.TransportFailed))
        {
            Fail(new QgaException(e.Message), id);
        }
        catch (Exception e) when (e is not ChannelException)
        {
            // What /sys and /proc tell can go while it is read. One command must not end the others.
            Fail(new QgaException($"the agent cannot do that ({e.GetType().Name})"), id);
        }

        await SendReplyAsync().ConfigureAwait(false);
    }

    private async Task RunAsync(QgaCommand command, QgaCall call, QgaValue? id)
    {
        // The frame around a value is written as it is: the writer's first look at a name costs more than all of a ping.
        var json = call.Json;
        _reply.Write(QgaCall.ReplyStart);
        await command.Run(call).ConfigureAwait(false);
        if (command.IsSilent)
        {
            json.Reset();
            _reply.ResetWrittenCount();
            return;
        }

        if (call.SentUpTo is { } end)
        {
            _reply.ResetWrittenCount();
            _reply.Write(Encoding.UTF8.GetBytes(end));
        }
        else if (json.BytesPending + json.BytesCommitted == 0)
        {
            _reply.Write("{}"u8);
        }

        json.Flush();
        if (id is not null)
        {
            _reply.Write(", \"id\": "u8);
            json.Reset();
            id.WriteTo(json);
            json.Flush();
        }

        _reply.Write("}"u8);
        if (call.IsDelimited)
        {
            await SendAsync(new byte[] { 0xFF }).ConfigureAwait(false);
        }
    }

    private void Fail(QgaException e, QgaValue? id)
    {
        _reply.ResetWrittenCount();
        using var json = new Utf8JsonWriter(_reply);
        json.WriteStartObject();
        json.WriteStartObject("error"u8);
        json.WriteString("class"u8, e.Class);
        json.WriteString("desc"u8, e.Message);
        json.WriteEndObject();
        if (id is not null)
        {
            json.WritePropertyName("id"u8);
            id.WriteTo(json);
        }

        json.WriteEndObject();
    }

    private async ValueTask SendReplyAsync()
    {
        if (_reply.WrittenCount == 0)
        {
            return;
        }

        _reply.GetSpan(1)[0] = (byte)'\n';
        _reply.Advance(1);
        await SendAsync(_reply.WrittenMemory).ConfigureAwait(false);
        if (_reply.Capacity > KeptReply)
        {
            _reply = new ArrayBufferWriter<byte>(1024);
        }

        _reply.ResetWrittenCount();
    }

    private async ValueTask SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await link.SendAsync(bytes).ConfigureAwait(false)..];
        }
    }
}
